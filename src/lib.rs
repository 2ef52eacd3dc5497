//! postback: SQL files in, validated and hashed conversion events out.

pub mod api;
pub mod contract;
pub mod delivery;
pub mod error;
pub mod event;
pub mod ledger;
