//! The only HTTP client: everything that leaves this machine for the Events API leaves here.
//!
//! Invariants
//! - The token goes to one origin. Redirects are not followed, no proxy is taken from the environment, and the header
//!   that carries it is marked sensitive, so that no log prints it.
//! - `https` with TLS 1.2 or later; plain `http` to the loopback interface only, for the sandbox. Certificates are judged
//!   by the system's authorities and those of a file the user names; nothing turns that off, and no key is ever logged.
//! - Every wait has an end and every answer a size: see [`Timeouts`] and [`Client::track`]. Nothing is asked to be compressed.
//! - A request is sent once. Retries belong to `delivery`, because the ledger has to see every attempt.
//! - A token that comes from a file is read again when delivery asks for it, never by itself.
//!
//! A failed exchange says the one thing delivery must know: whether a byte of the request may have been written
//! ([`TransportError::before_first_byte`]). A complete one says whether all of the request had left when the answer came
//! ([`RawResponse::is_premature`]). What an answer means is not decided here.

mod answer;
mod base_url;
mod body;
mod client;
pub mod credentials;
mod failure;

pub use answer::RawResponse;
pub use base_url::BaseUrl;
pub use client::{Client, Options, Timeouts};
pub use failure::{TransportError, TransportKind};
