//! postback: SQL files in, validated and hashed conversion events out.

pub mod contract;
pub mod encode;
pub mod error;
pub mod event;
pub mod functions;
pub mod sandbox;
pub mod validate;
