//! The web page of what arrived. Rendered here and nowhere else: the script fetches this page again and swaps the
//! parts that changed.

use maud::{DOCTYPE, Markup, html};

use super::snapshot::{Amount, Duplicate, EventCount, FaultCount, RefusalCount, RequestLine, Snapshot, WarningCount};
use crate::contract::TRACK_PATH;

pub(crate) const STYLE: &str = include_str!("page.css");
pub(crate) const SCRIPT: &str = include_str!("page.js");

/// Rows of a list; more are counted below it.
const ROWS: usize = 20;
/// Width and height of the activity chart in its own units.
const CHART: (u64, u64) = (60, 24);

/// The page for `snapshot`; `last_event` is the JSON of the event that arrived last.
pub(crate) fn render(snapshot: &Snapshot, last_event: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (grouped(snapshot.unique)) (plural(snapshot.unique, " event")) " · postback sandbox" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                header { (masthead(snapshot)) }
                main {
                    (totals(snapshot))
                    @if snapshot.requests == 0 { (empty(snapshot)) } @else { (arrived(snapshot, last_event)) }
                }
                footer {
                    a href="/events.ndjson" { "events.ndjson" }
                    a href="/state.json" { "state.json" }
                    a href="/faults" { "faults" }
                    span { "Judged by the " b { (snapshot.profile) } " profile. Nothing here leaves this machine." }
                }
            }
        }
    }
}

fn masthead(snapshot: &Snapshot) -> Markup {
    html! {
        div.title {
            h1 { "postback " span { "sandbox" } }
            p #live data-live { span.pulse {} span.label { "live" } }
        }
        div.address {
            code { (snapshot.base_url) }
            button type="button" data-copy=(snapshot.base_url) { "Copy" }
            button type="button" data-reset { "Reset" }
        }
    }
}

fn totals(snapshot: &Snapshot) -> Markup {
    let refused = if snapshot.refused_requests > 0 { "bad" } else { "" };
    html! {
        section #totals data-live aria-label="Totals" {
            div.lead {
                (figure("Events that count", snapshot.unique, "", "after de-duplication"))
                (activity(snapshot))
            }
            div.figures {
                (figure("Requests", snapshot.requests, "", ""))
                (figure("Arrived", snapshot.arrived, "", ""))
                (figure("Merged", snapshot.merged, "", "repeats within 5 min"))
                (figure("Dropped", snapshot.dropped, "", "repeats within 48 h"))
                (figure("Refused", snapshot.refused, refused, &refused_note(snapshot.refused_requests)))
            }
        }
    }
}

fn refused_note(requests: u64) -> String {
    match requests {
        0 => String::new(),
        1 => "in 1 request".to_owned(),
        _ => format!("in {} requests", grouped(requests)),
    }
}

fn figure(name: &str, value: u64, class: &str, note: &str) -> Markup {
    html! {
        div.figure {
            span.name { (name) }
            strong class=(class) { (grouped(value)) }
            @if !note.is_empty() { span.note { (note) } }
        }
    }
}

fn activity(snapshot: &Snapshot) -> Markup {
    let (width, height) = CHART;
    let most = snapshot.activity.iter().copied().max().unwrap_or(0).max(1);
    html! {
        div.activity {
            svg viewBox=(format!("0 0 {width} {height}")) preserveAspectRatio="none" role="img"
                aria-label="Events in each of the last sixty seconds" {
                @for (second, events) in snapshot.activity.iter().enumerate() {
                    @let bar = (events * height).div_ceil(most);
                    @if bar > 0 {
                        rect x=(format!("{second}.1")) y=(height - bar) width="0.8" height=(bar) {}
                    }
                }
            }
            p {
                span { "last minute" }
                span { b { (grouped(snapshot.events_per_second)) } " events/s" }
                span { "peak " b { (grouped(snapshot.peak_events_per_second)) } }
            }
        }
    }
}

fn empty(snapshot: &Snapshot) -> Markup {
    let address = &snapshot.base_url;
    let body = r#"{"event_source":"offline","event_source_id":"7301234567890123456","data":[
  {"event":"Purchase","event_time":'$(date +%s)',"event_id":"first-try",
   "user":{"email":"848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"},
   "properties":{"currency":"EUR","value":74.5}}]}"#;
    html! {
        section #empty data-live {
            h2 { "Nothing has arrived yet" }
            p {
                "This is a local Events API. It judges requests by TikTok’s contract, answers in TikTok’s words, and "
                "shows here what it took, merged, dropped or refused."
            }
            h3 { "Send a query’s events" }
            pre { code { "postback run FILE --base-url " (address) } }
            h3 { "See it fail and recover" }
            pre { code {
                "curl " (address) "/faults -T - <<'END'\n"
                "[[fault]]\non = \"every 3\"\ndoes = \"reset\"\ntaken = true\nEND"
            } }
            h3 { "or a single event" }
            pre { code {
                "curl " (address) (TRACK_PATH) " \\\n"
                "  -H 'Access-Token: any' -H 'Content-Type: application/json' \\\n"
                "  -d '" (body) "'"
            } }
        }
    }
}

fn arrived(snapshot: &Snapshot, last_event: Option<&str>) -> Markup {
    html! {
        div.columns {
            (by_event(&snapshot.by_event))
            (findings(snapshot))
        }
        (faults(&snapshot.faults))
        (requests(&snapshot.recent))
        (duplicates(&snapshot.duplicates))
        (last(last_event))
    }
}

fn by_event(counts: &[EventCount]) -> Markup {
    let arrived = |count: &EventCount| count.unique + count.merged + count.dropped;
    let most = counts.iter().map(arrived).max().unwrap_or(0).max(1);
    html! {
        section #by-event data-live {
            h2 { "Events" }
            @if counts.is_empty() { p.none { "No request was accepted yet." } }
            @for count in counts.iter().take(ROWS) {
                div.event {
                    p {
                        b { (count.event) } " " span.source { (count.event_source) }
                        span.number { (grouped(count.unique)) }
                    }
                    (bar(count, most))
                    p.note {
                        @for (index, amount) in count.amounts.iter().take(4).enumerate() {
                            @if index > 0 { " + " }
                            (money(amount))
                        }
                        @if count.merged > 0 { span { (grouped(count.merged)) " merged" } }
                        @if count.dropped > 0 { span { (grouped(count.dropped)) " dropped" } }
                    }
                }
            }
            (more(counts.len(), ROWS, "event names"))
        }
    }
}

fn bar(count: &EventCount, most: u64) -> Markup {
    // Thousandths of the longest bar; whatever arrived is at least a sliver.
    let part = |events: u64| if events == 0 { 0 } else { (events * 1_000 / most).max(4) };
    let (unique, merged, dropped) = (part(count.unique), part(count.merged), part(count.dropped));
    html! {
        svg.bar viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="1000" height="8" {}
            rect.unique width=(unique) height="8" {}
            rect.merged x=(unique) width=(merged) height="8" {}
            rect.dropped x=(unique + merged) width=(dropped) height="8" {}
        }
    }
}

fn findings(snapshot: &Snapshot) -> Markup {
    html! {
        section #findings data-live {
            h2 { "Verdicts" }
            @if snapshot.refusals.is_empty() && snapshot.warnings.is_empty() {
                p.none { "No refusals, nothing odd." }
            }
            ul {
                @for refusal in snapshot.refusals.iter().take(ROWS) { (refused(refusal)) }
                @for warning in snapshot.warnings.iter().take(ROWS) { (odd(warning)) }
            }
            (more(snapshot.refusals.len(), ROWS, "refusals"))
            (more(snapshot.warnings.len(), ROWS, "warnings"))
        }
    }
}

fn refused(refusal: &RefusalCount) -> Markup {
    html! {
        li {
            span.tag.bad { (refusal.code) }
            span.what { (refusal.message) }
            span.number { (grouped(refusal.requests)) small { (plural(refusal.requests, " request")) } }
        }
    }
}

fn odd(warning: &WarningCount) -> Markup {
    html! {
        li {
            span.tag.odd { "R" (warning.rule) }
            span.what { (warning.finding) " " code { (warning.path) } }
            span.number { (grouped(warning.events)) small { (plural(warning.events, " time")) } }
        }
    }
}

fn faults(counts: &[FaultCount]) -> Markup {
    html! {
        section #faults data-live {
            @if !counts.is_empty() {
                h2 { "Faults" small { "on order, by the script at " code { "/faults" } } }
                ul {
                    @for count in counts.iter().take(ROWS) {
                        li {
                            span.tag.odd { (count.fault) }
                            span.what { (count.when) }
                            span.number {
                                (grouped(count.requests)) small { (plural(count.requests, " request")) }
                            }
                        }
                    }
                }
                (more(counts.len(), ROWS, "rules"))
            }
        }
    }
}

fn requests(lines: &[RequestLine]) -> Markup {
    html! {
        section #requests data-live {
            h2 { "Requests" small { "newest first, times in UTC" } }
            div.wide {
                table {
                    thead { tr {
                        th { "Time" } th { "Source" } th { "Source id" } th.number { "Events" }
                        th.number { "Repeats" } th { "Answer" } th.number { "ms" }
                    } }
                    tbody { @for line in lines.iter().take(ROWS) { (request(line)) } }
                }
            }
            (more(lines.len(), ROWS, "recent requests"))
        }
    }
}

fn request(line: &RequestLine) -> Markup {
    let tag = if line.code == 0 { "tag good" } else { "tag bad" };
    html! {
        tr title=(format!("request_id {}", line.request_id)) {
            td.time { (clock_time(line.at)) }
            td.from { (or_dash(&line.event_source)) @if line.is_test { " " span.tag.odd { "test" } } }
            td.id { code { (or_dash(&line.event_source_id)) } }
            td.number.events data-unit=(plural(line.events, " event")) { (grouped(line.events)) }
            td.number.repeats { @if line.repeats > 0 { (grouped(line.repeats)) } @else { span.faint { "–" } } }
            td.answer { div {
                @if !line.fault.is_empty() { span.tag.odd { (line.fault) } }
                span class=(tag) { (line.code) } span { (line.message) }
            } }
            td.number.took { (format!("{:.1}", line.milliseconds)) }
        }
    }
}

fn duplicates(lines: &[Duplicate]) -> Markup {
    html! {
        section #duplicates data-live {
            @if !lines.is_empty() {
                h2 { "Repeats" small { "the same source, event and event id again" } }
                div.wide {
                    table {
                        thead { tr { th { "Time" } th { "Event" } th { "Event id" } th { "What became of it" } } }
                        tbody { @for line in lines.iter().take(ROWS) { (duplicate(line)) } }
                    }
                }
                (more(lines.len(), ROWS, "recent repeats"))
            }
        }
    }
}

fn duplicate(line: &Duplicate) -> Markup {
    html! {
        tr {
            td.time { (clock_time(line.at)) }
            td.from { (line.event) }
            td.id { code { (line.event_id) } }
            td.answer { div {
                span class={ "tag " (line.outcome) } { (line.outcome) }
                @if !line.filled.is_empty() { span { "filled in " code { (line.filled.join(", ")) } } }
            } }
        }
    }
}

fn last(event: Option<&str>) -> Markup {
    let pretty = event
        .and_then(|event| serde_json::from_str::<serde_json::Value>(event).ok())
        .and_then(|event| serde_json::to_string_pretty(&event).ok());
    html! {
        section #last data-live {
            @if let Some(pretty) = pretty {
                h2 { "Last event" }
                pre { code { (pretty) } }
            }
        }
    }
}

fn more(all: usize, shown: usize, what: &str) -> Markup {
    html! { @if all > shown { p.none { "and " (grouped((all - shown) as u64)) " more " (what) } } }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn plural(count: u64, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn money(amount: &Amount) -> String {
    let fixed = format!("{:.2}", amount.total.abs());
    let (whole, cents) = fixed.split_once('.').unwrap_or((&fixed, "00"));
    let sign = if amount.total < 0.0 { "−" } else { "" };
    let currency = if amount.currency.is_empty() { "no currency" } else { &amount.currency };
    format!("{sign}{}.{cents}\u{a0}{currency}", grouped_digits(whole))
}

fn clock_time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "–".to_owned(), |time| time.strftime("%H:%M:%S").to_string())
}

fn grouped(number: u64) -> String {
    grouped_digits(&number.to_string())
}

/// Thousands apart by commas.
fn grouped_digits(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_like_numbers() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let amount = |total: f64| money(&Amount { currency: "EUR".to_owned(), total });
        assert_eq!(amount(1_234.5), "1,234.50\u{a0}EUR");
        assert_eq!(amount(-0.125), "−0.12\u{a0}EUR");
        assert_eq!(clock_time(1_787_234_709), "14:05:09");
    }

    #[test]
    fn what_a_sender_writes_is_escaped() {
        let line = RequestLine { message: "<script>".to_owned(), ..RequestLine::default() };
        let snapshot = Snapshot { requests: 1, recent: vec![line], ..Snapshot::default() };
        let page = render(&snapshot, Some(r#"{"event":"<b>"}"#)).into_string();
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;b&gt;"));
        assert!(!page.contains("<b>\"") && !page.contains("<script>"));
    }

    #[test]
    fn faults_on_order_are_shown_with_their_conditions() {
        let fault = FaultCount { line: 1, fault: "reset", when: "on request 3".to_owned(), requests: 1 };
        let line = RequestLine { fault: "reset", ..RequestLine::default() };
        let snapshot = Snapshot { requests: 1, recent: vec![line], faults: vec![fault], ..Snapshot::default() };
        let page = render(&snapshot, None).into_string();
        assert!(page.contains("on request 3") && page.contains(r#"<span class="tag odd">reset</span>"#), "{page}");
    }

    #[test]
    fn an_empty_sandbox_says_how_to_send() {
        let snapshot = Snapshot { base_url: "http://127.0.0.1:7".to_owned(), ..Snapshot::default() };
        let page = render(&snapshot, None).into_string();
        assert!(page.contains("--base-url http://127.0.0.1:7"));
        assert!(page.contains("http://127.0.0.1:7/open_api/v1.3/event/track/"));
    }
}
