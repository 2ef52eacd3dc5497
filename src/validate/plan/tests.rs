//! The judgement of columns that are made up.

use super::Operation::{Email, Lower, Phone, Trim, Upper};
use super::*;

fn offline() -> Given {
    Given {
        event_source: Some(EventSource::Offline),
        event_source_id: Some("7654321098765432109".into()),
        event: Some("Purchase".into()),
        timezone: true,
        ..Given::default()
    }
}

fn column(name: &str, data_type: &DataType, origin: Origin) -> Column {
    Column { name: name.to_owned(), is_unnamed: false, data_type: Some(data_type.clone()), origins: vec![origin] }
}

fn text(name: &str) -> Column {
    column(name, &DataType::Utf8, Origin::default())
}

fn literal(name: &str, text: &str) -> Column {
    let literal = Some(Literal::Text(text.to_owned()));
    column(name, &DataType::Utf8, Origin { literal, ..Origin::default() })
}

fn null(name: &str) -> Column {
    column(name, &DataType::Null, Origin { literal: Some(Literal::Null), ..Origin::default() })
}

fn codes(columns: &[Column], given: &Given) -> Vec<&'static str> {
    judge(columns, given).1.iter().map(|finding| finding.rule.code).collect()
}

#[test]
fn a_sound_query_has_no_finding() {
    let columns = [text("timestamp"), text("EMAIL"), column("_row", &DataType::Int64, Origin::default())];
    assert_eq!(codes(&columns, &offline()), Vec::<&str>::new());
}

#[test]
fn every_problem_is_found_at_once() {
    let columns = [
        text("loyalty_tier"),
        column("event_time", &DataType::Date32, Origin::default()),
        text("timestamp"),
        text("ip"),
        column("value", &DataType::Boolean, Origin::default()),
    ];
    let given = Given { timezone: false, event_source_id: None, ..offline() };
    assert_eq!(
        codes(&columns, &given),
        ["PB2001", "PB2020", "PB2011", "PB2002", "PB2006", "PB2005", "PB2003", "PB2014", "PB2004"]
    );
}

#[test]
fn a_misspelt_column_gets_a_suggestion_and_is_not_missing_as_well() {
    let (_, findings) = judge(&[text("emial"), text("timestmp")], &offline());
    assert_eq!(findings.len(), 2);
    assert!(findings[0].help.contains("did you mean `email`?"), "{}", findings[0].help);
}

#[test]
fn what_did_not_plan_has_no_other_finding() {
    let unknown = |name: &str| Column { name: name.into(), is_unnamed: false, data_type: None, origins: Vec::new() };
    assert!(codes(&[unknown("timestamp"), unknown("email"), unknown("loyalty")], &offline()).is_empty());
    let given = Given { has_more_columns: true, event_source: None, ..offline() };
    assert!(codes(&[], &Given { unusable: vec!["event_source".into()], ..given }).is_empty());
}

#[test]
fn constants_are_judged_before_any_row() {
    for (name, value, expected) in [
        ("email", "mc.email", "PB2007"),
        ("event", "purchase", "PB2008"),
        ("event", "Buy", "PB2008"),
        ("currency", "dollars", "PB2009"),
        ("currency", "usd", "PB2009"),
        ("event_channel", "shop", "PB2009"),
        ("event_id", "o.id", "PB2017"),
        ("order_id", "4711", "PB2017"),
        ("event_source_id", "C4CH1N00K5AMPLE00001", "PB2018"),
        ("value", "o.total", "PB2005"),
    ] {
        let columns = [text("timestamp"), text("phone"), text("currency"), literal(name, value)];
        let columns = columns.into_iter().filter(|column| column.name != name || column.origins[0].literal.is_some());
        assert_eq!(codes(&columns.collect::<Vec<_>>(), &offline()), [expected], "{name} {value}");
    }
    let time = [literal("timestamp", "o.ordered_at"), text("phone")];
    assert_eq!(codes(&time, &offline()), ["PB2005"]);
}

#[test]
fn one_row_is_no_constant_unless_it_names_a_column() {
    for (value, expected) in [("a@b.example", &[][..]), ("mc.email", &["PB2007"])] {
        let mut email = literal("email", value);
        email.origins[0].is_one_row = true;
        assert_eq!(codes(&[text("timestamp"), email], &offline()), expected);
    }
}

#[test]
fn a_required_column_of_nulls_is_no_column() {
    for (columns, expected) in [
        (vec![null("timestamp"), text("email")], vec!["PB2019"]),
        (vec![text("timestamp"), null("email")], vec!["PB2019"]),
        (vec![text("timestamp"), null("email"), text("phone")], vec![]),
        (vec![text("timestamp"), text("email"), null("event")], vec![]),
        (vec![text("timestamp"), text("email"), null("event_id")], vec!["PB2019"]),
    ] {
        assert_eq!(codes(&columns, &offline()), expected, "{columns:?}");
    }
}

#[test]
fn a_digest_is_judged_by_how_it_is_made() {
    let digest = |algorithm: &str, encoding, operations: &[Operation]| Digest {
        algorithm: algorithm.into(),
        encoding,
        operations: operations.to_vec(),
    };
    for (name, digest, expected) in [
        ("email", digest("sha256", Encoding::Hex, &[Lower, Trim]), None),
        ("email", digest("sha256", Encoding::Hex, &[Email]), None),
        ("phone", digest("sha256", Encoding::Hex, &[Phone]), None),
        ("email", digest("sha256", Encoding::Hex, &[Lower]), Some((Severity::Warn, "without trim()"))),
        ("email", digest("sha256", Encoding::Hex, &[]), Some((Severity::Warn, "without lower() and trim()"))),
        ("phone", digest("sha256", Encoding::Hex, &[Trim]), Some((Severity::Warn, "without e164()"))),
        ("email", digest("sha256", Encoding::UpperHex, &[Lower, Trim]), Some((Severity::Warn, "upper case"))),
        ("email", digest("md5", Encoding::Hex, &[Lower, Trim]), Some((Severity::Reject, "hashed with md5"))),
        ("email", digest("sha256", Encoding::Base64, &[Lower, Trim]), Some((Severity::Reject, "Base64"))),
        ("email", digest("sha256", Encoding::Hex, &[Upper, Trim]), Some((Severity::Reject, "upper case"))),
        ("order_id", digest("md5", Encoding::Hex, &[]), None),
    ] {
        let origin = Origin { digest: Some(digest.clone()), ..Origin::default() };
        let mut columns = vec![text("timestamp"), column(name, &DataType::Utf8, origin)];
        if name == "order_id" {
            columns.push(text("email"));
        }
        let (_, findings) = judge(&columns, &offline());
        let found = findings.first().map(|finding| (finding.severity, finding.message.as_str()));
        assert_eq!(found.map(|(severity, _)| severity), expected.map(|(severity, _)| severity), "{name} {digest:?}");
        assert!(expected.is_none_or(|(_, words)| found.unwrap().1.contains(words)), "{name} {found:?}");
        assert!(findings.iter().all(|finding| finding.rule.code == "PB2010"), "{findings:?}");
    }
}

#[test]
fn bytes_of_a_digest_are_told_as_such() {
    let digest = Digest { algorithm: "sha256".into(), encoding: Encoding::Binary, operations: Vec::new() };
    let origin = Origin { digest: Some(digest), ..Origin::default() };
    let columns = [text("timestamp"), column("email", &DataType::Binary, origin)];
    assert_eq!(codes(&columns, &offline()), ["PB2010"]);
}

#[test]
fn unknown_columns_become_properties_when_asked() {
    let given = Given { extra_properties: true, ..offline() };
    let (roles, findings) = judge(&["timestamp", "phone", "loyalty_tier"].map(text), &given);
    assert!(findings.is_empty());
    assert!(matches!(roles[2], Role::Property));
}
