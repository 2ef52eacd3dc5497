//! What is refused, in words.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Span};
use datafusion::logical_expr::Expr;

use super::{OF_DAY, refusal};
use crate::functions::zones::AtTimeZone;

/// The place of the first column in an expression.
pub(super) fn place(expression: &Expr) -> Option<Span> {
    let mut found = None;
    // The visitor cannot fail, since its closure does not.
    let _ = expression.apply(|part| {
        if let Expr::Column(column) = part {
            found = column.spans.first();
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// What a refusal calls an expression: a column by its name.
fn named(expression: &Expr) -> String {
    match expression {
        Expr::Column(column) => format!("`{}`", column.name),
        Expr::Alias(alias) => named(&alias.expr),
        Expr::Cast(cast) => named(&cast.expr),
        Expr::TryCast(cast) => named(&cast.expr),
        Expr::ScalarFunction(call) => match call.args.as_slice() {
            [argument] => named(argument),
            [argument, _] if call.func.name() == AtTimeZone::NAME => named(argument),
            _ => format!("what {} gives", call.func.name()),
        },
        _ => "a time".to_owned(),
    }
}

/// A clock or a day meets an instant, and no zone is set.
pub(super) fn no_zone(time: &Expr) -> DataFusionError {
    let message = format!("{} has no time zone, meets an instant, and postback.timezone is not set", named(time));
    let help = "SET postback.timezone = 'Area/City', or name the zone here: x AT TIME ZONE 'Area/City'";
    refusal("PB2011", message, help, Some(time))
}

/// The day or the time of day of an instant is asked for, and no zone is set.
pub(super) fn no_zone_of_day(time: &Expr) -> DataFusionError {
    let message = format!("the day of {} {OF_DAY}, and postback.timezone is not set", named(time));
    let help = "SET postback.timezone = 'Area/City', or name the zone here: CAST(x AT TIME ZONE 'Area/City' AS DATE)";
    refusal("PB2011", message, help, Some(time))
}

/// Today is asked for, and no zone is set.
pub(super) fn no_zone_of_today(function: &str) -> DataFusionError {
    let message = format!("`{function}` {OF_DAY}, and postback.timezone is not set");
    refusal("PB2011", message, "SET postback.timezone = 'Area/City'", None)
}

/// An instant becomes a clock.
pub(super) fn drops_zone(time: &Expr) -> DataFusionError {
    let message = format!("{} loses its zone here, and its clock would be read as local time", named(time));
    let help = "write the instant as it is, without CAST, ::timestamp or to_local_time: it compares with times of any \
        zone; CAST(x AS DATE) gives its day";
    refusal("PB2016", message, help, Some(time))
}

/// A number becomes a time in a unit that the query does not say.
pub(super) fn number(time: &Expr) -> DataFusionError {
    let message = format!("{} is a number, and a cast to a time does not say what the number counts", named(time));
    let help = "write to_timestamp_seconds(x), to_timestamp_millis(x) or to_timestamp_micros(x)";
    refusal("PB2022", message, help, Some(time))
}

/// Times in a list, a struct or a map would cross.
pub(super) fn nested(place: &Expr) -> DataFusionError {
    let message = "times of a list or a struct would be read in UTC here".to_owned();
    let help = "make all of them instants or none before they are put together, with iso8601(x) or \
        x AT TIME ZONE 'Area/City'";
    refusal("PB2022", message, help, Some(place))
}

/// A day meets hours, minutes or seconds.
pub(super) fn hours(day: &Expr) -> DataFusionError {
    let message = format!("{} is a day, and a day plus or minus a part of a day loses the hours", named(day));
    let help = "write CAST(x AS TIMESTAMP) in place of the day, which has hours; a number n of whole days is \
        n * INTERVAL '1 day'";
    refusal("PB2022", message, help, Some(day))
}

/// A time is counted from the beginning of 1970.
pub(super) fn epoch(place: &Expr) -> DataFusionError {
    let message = "what is counted from 1970-01-01 on a local clock is no Unix time".to_owned();
    let help = "write to_unixtime(x) for the seconds of a time, and to_timestamp_seconds(n) for the time of a number";
    refusal("PB2022", message, help, Some(place))
}

/// A function would read a time in UTC.
pub(super) fn function(name: &str, help: &str, place: &Expr) -> DataFusionError {
    let message = format!("`{name}` would read a time without a zone as UTC");
    refusal("PB2022", message, help, Some(place))
}

/// A text of the query is no time.
pub(super) fn text(text: &str, words: &str, help: &str) -> DataFusionError {
    refusal("PB2022", format!("the text `{text}` {words}"), help, None)
}
