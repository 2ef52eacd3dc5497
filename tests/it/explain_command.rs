//! `postback explain`: rules of postback, rules of the notes, codes of the API; and the examples that it gives.

use insta::assert_snapshot;
use postback::query::{self, Parameters, QueryFile, Resources};
use postback::settings::Settings;
use postback::validate::examples::EXAMPLES;
use serde_json::{Value, json};

use crate::server::{Said, file, postback, said};

const SETTINGS: &str =
    "SET postback.event_source = 'offline';\nSET postback.event_source_id = '7654321098765432109';\n";

/// What the examples select from.
const ORDERS: &str = "\
order_id,email,work_email,is_paid,total,ip,placed_at,instant,local_time,sku,price,quantity,cents
4711,a@b.example,c@d.example,true,12.50,203.0.113.7,2026-08-20T10:00:00Z,2026-08-20T10:00:00Z,2026-08-20T12:00:00,A-1,12.50,1,1250
";

fn explained(arguments: &[&str]) -> Said {
    said(&mut postback(&[&["explain"], arguments].concat()))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_rule_is_explained_with_its_reason_its_fix_and_its_source() {
    assert_snapshot!(explained(&["constant-identity"]).stdout, @r#"
    PB2007 constant-identity (error)

      why         one identity on every row attributes all events to one person; usually a column name in quotes
      fix         remove the quotes
      instead of  'c.email' AS email
      write       c.email AS email
      source      postback (certain)
    "#);
    assert_snapshot!(explained(&["PB3030"]).stdout, @r#"
    PB3030 identity-missing (error)

      why       an offline event without a valid e-mail address or phone number cannot be matched
      fix       filter such rows, or repair the addresses and numbers
      enforces  R30: offline events have an email or a phone
      source    A1, P1, H7 (R30) (likely)
                A1: Amperity documentation, current
                P1: Segment action destinations
                H7: TikTok help: Events API for offline
    "#);
    assert_snapshot!(explained(&["PB2007", "--format", "markdown"]).stdout, @r#"
    ## PB2007 constant-identity (error)

    - **why** one identity on every row attributes all events to one person; usually a column name in quotes
    - **fix** remove the quotes
    - **instead of** `'c.email' AS email`
    - **write** `c.email AS email`
    - **source** postback (certain)
    "#);
    let value = json(&explained(&["pb2007", "--format", "json"]).stdout);
    assert_eq!(
        (&value["code"], &value["slug"], &value["severity"]),
        (&json!("PB2007"), &json!("constant-identity"), &json!("error"))
    );
}

#[test]
fn a_rule_of_the_notes_names_who_keeps_it() {
    assert_snapshot!(explained(&["R30"]).stdout, @r#"
    R30: offline events have an email or a phone

      enforced by  PB2004 no-identity-column (error)
                   PB2019 column-always-null (error)
                   PB3030 identity-missing (error)
    "#);
    assert_snapshot!(explained(&["R4"]).stdout, @r#"
    R4: a token that is known and not revoked

      left to the API  only TikTok knows its tokens; 40105 stops the run with exit code 3, and running again continues
    "#);
}

#[test]
fn a_code_of_the_api_says_what_happens_and_what_to_do() {
    assert_snapshot!(explained(&["40002"]).stdout, @r#"
    40002: parameter error, see message

      postback  sends halves of the request until the event at fault is found, rejects it and delivers the others
      you       look into the account for the events and the field that the API named, correct them in the query, and run it again
      source    D5, P2, P3, P9, P10 (certain)
                D5: TikTok portal pages on return codes, rate limits and scopes, as of 2026-08-13
                P2: RudderStack transformer
                P3: Stape tiktok-tag
                P9: test report with a real rejection, 2025-09-16
                P10: regression test quoting a real rejection
    "#);
    let family = explained(&["51021"]);
    assert!(family.code == 0 && family.stdout.contains("all codes from 51000 to 51999"), "{}", family.stdout);
}

#[test]
fn without_a_code_all_are_listed() {
    let listed = explained(&[]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""));
    for line in ["PB2007  error    constant-identity", "R30     rule     offline events have an email or a phone"] {
        assert!(listed.stdout.lines().any(|found| found == line), "{line}");
    }
    let codes = json(&explained(&["--format", "json"]).stdout);
    assert_eq!(codes.as_array().unwrap().len(), listed.stdout.lines().count());
}

#[test]
fn what_is_no_code_is_refused_with_the_nearest() {
    let said = explained(&["constant-identiy"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("did you mean constant-identity?"), "{}", said.stderr);
}

/// The codes that the fragment of an example gives in a query of its own.
async fn codes(fragment: &str) -> Vec<&'static str> {
    let (settings, items) = fragment
        .rsplit_once("; ")
        .map_or((String::new(), fragment), |(settings, items)| (format!("{settings};"), items));
    let given: Vec<&str> = items.split(" AS ").skip(1).filter_map(|behind| behind.split(", ").next()).collect();
    let base =
        [("event", "'Purchase' AS event"), ("timestamp", "c.placed_at AS timestamp"), ("email", "c.email AS email")];
    let is_given = |name: &str| given.contains(&name) || name == "email" && given.contains(&"emial");
    let mut select = vec![items];
    select.extend(base.iter().filter(|(name, _)| !is_given(name)).map(|(_, item)| *item));
    let text = if fragment.starts_with("SELECT ") {
        format!("{SETTINGS}{fragment}")
    } else {
        format!(
            "{SETTINGS}{settings}
             SELECT {}, c.order_id AS order_id
             FROM 'orders.csv' AS c",
            select.join(", ")
        )
    };
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "orders.csv", ORDERS);
    let query = QueryFile::parse(&folder.path().join("example.sql"), text).unwrap();
    let mut settings = Settings::default();
    // What cannot be taken is among the diagnoses.
    drop(query::apply_settings(&query, &mut settings));
    let resources = Resources { memory_limit: 64 << 20, partitions: 1, spill_folder: folder.path().to_owned() };
    let examination = query::examine(&query, &settings, &Parameters::default(), &resources).await;
    examination.diagnoses.iter().map(|diagnosis| diagnosis.rule.code).collect()
}

#[tokio::test]
async fn the_examples_break_their_rule_and_what_stands_beside_them_breaks_none() {
    let mut wrong = Vec::new();
    for example in EXAMPLES {
        let (bad, good) = (codes(example.bad).await, codes(example.good).await);
        if !bad.contains(&example.code) || !good.is_empty() {
            wrong.push(format!("{}: {bad:?}; {}: {good:?}", example.bad, example.good));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(EXAMPLES.is_sorted_by(|a, b| a.code < b.code));
}
