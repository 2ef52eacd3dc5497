//! postback: SQL files in, validated and hashed conversion events out.

pub mod api;
pub mod contract;
pub mod delivery;
pub mod encode;
pub mod error;
pub mod event;
pub mod functions;
pub mod ledger;
pub mod sandbox;
pub mod validate;
