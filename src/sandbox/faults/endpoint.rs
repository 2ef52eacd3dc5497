//! `/faults`: read, set and clear the script while the sandbox runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Script;
use crate::error::Error;
use crate::sandbox::server::{Shared, is_from_elsewhere};

/// What messages call a script that came over HTTP.
const NAME: &str = "script";

/// `GET`: the script in force, what it has done in comments.
pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], shared.faults.text()).into_response()
}

/// `PUT`: this script from now on.
pub(crate) async fn set(State(shared): State<Arc<Shared>>, headers: HeaderMap, text: String) -> Response {
    if is_from_elsewhere(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match Script::parse(&text, NAME) {
        Ok(script) => {
            shared.faults.set(script);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, told(&error)).into_response(),
    }
}

/// `DELETE`: no faults any more.
pub(crate) async fn clear(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> StatusCode {
    if is_from_elsewhere(&headers) {
        return StatusCode::FORBIDDEN;
    }
    shared.faults.set(Script::default());
    StatusCode::NO_CONTENT
}

fn told(error: &Error) -> String {
    let place = error.location().map(|place| format!("line {}: ", place.line)).unwrap_or_default();
    let hint = error.hint_text().map(|hint| format!("\n{hint}")).unwrap_or_default();
    format!("{place}{}{hint}\n", error.message())
}
