//! THE table of options: a new one is a row here.

use super::form::Form;
use crate::contract;

/// One option.
#[derive(Debug)]
pub struct Setting {
    /// Name after `postback.`, also the key in `postback.toml`.
    pub name: &'static str,
    /// The same with hyphens: the flag without its `--`.
    pub flag: &'static str,
    /// What values look like.
    pub form: Form,
    /// The value when nobody gives one.
    pub default: Option<&'static str>,
    /// What it does, in one sentence.
    pub meaning: &'static str,
}

/// The table of options.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    Setting { name: "event_source", flag: "event-source", form: Form::OneOf(&["offline", "web", "app", "crm"]), default: None, meaning: "where the events happened, unless a column says so" },
    Setting { name: "event_source_id", flag: "event-source-id", form: Form::Text, default: None, meaning: "event set, pixel or app that receives the events, unless a column says so" },
    Setting { name: "event", flag: "event", form: Form::Text, default: None, meaning: "event name of rows without an `event` column" },
    Setting { name: "currency", flag: "currency", form: Form::Currency, default: None, meaning: "currency of rows that have a value and no `currency` column" },
    Setting { name: "timezone", flag: "timezone", form: Form::Zone, default: None, meaning: "zone of timestamps that carry none" },
    Setting { name: "default_region", flag: "default-region", form: Form::Region, default: None, meaning: "region of phone numbers without a country code" },
    Setting { name: "fold", flag: "fold", form: Form::OneOf(&["none", "contents"]), default: Some("none"), meaning: "`contents` makes one event of the rows that share source, event and event id" },
    Setting { name: "fold_value", flag: "fold-value", form: Form::OneOf(&["price", "sum", "same"]), default: Some("price"), meaning: "value of a folded event: the sum of price × quantity, the sum of the `value` column, or its one common value" },
    Setting { name: "as_of", flag: "as-of", form: Form::Instant, default: None, meaning: "replaces now in every time rule; refused by a live destination" },
    Setting { name: "max_event_age", flag: "max-event-age", form: Form::Duration, default: Some("28d"), meaning: "older offline events are skipped and counted, older events of other sources warn" },
    Setting { name: "future_tolerance", flag: "future-tolerance", form: Form::Duration, default: Some("5m"), meaning: "how far in the future an event may lie" },
    Setting { name: "extra_columns", flag: "extra-columns", form: Form::OneOf(&["refuse", "properties"]), default: Some("refuse"), meaning: "what happens to columns the contract does not know: refused, or sent as custom properties" },
    Setting { name: "on_bad_optional", flag: "on-bad-optional", form: Form::OneOf(&["drop", "reject"]), default: Some("drop"), meaning: "an unusable optional value is dropped with a warning, or rejects its row" },
    Setting { name: "invalid_phone", flag: "invalid-phone", form: Form::OneOf(&["send", "drop", "reject"]), default: Some("send"), meaning: "a phone number with `+` that is possible and not valid is sent with a warning, left out with a warning, or rejects its row" },
    Setting { name: "pii", flag: "pii", form: Form::OneOf(&["standard", "restricted"]), default: Some("standard"), meaning: "e-mail addresses and phone numbers in fields that are sent in plain form warn, or with `restricted` reject their row; a query file can only restrict" },
    Setting { name: "limited_data_use", flag: "limited-data-use", form: Form::Boolean, default: None, meaning: "limited data use of web and app events without a column of that name" },
    Setting { name: "partner_name", flag: "partner-name", form: Form::Text, default: None, meaning: "`partner_name` of the request, as agreed with TikTok" },
    Setting { name: "base_url", flag: "base-url", form: Form::Text, default: Some(contract::PRODUCTION), meaning: "host of the Events API; plain http on loopback only" },
    Setting { name: "token_file", flag: "token-file", form: Form::Text, default: None, meaning: "file with the access token, mode 0600, or `-` for standard input; the alternative is the environment's POSTBACK_ACCESS_TOKEN" },
    Setting { name: "ca_file", flag: "ca-file", form: Form::Text, default: None, meaning: "PEM file with certificate authorities to trust beside the system's, for the API and for sources; as a flag or in the environment only" },
    Setting { name: "dedup_window", flag: "dedup-window", form: Form::Duration, default: Some("48h"), meaning: "how long TikTok drops copies of an event; one of unknown fate is sent again only until four hours before that, then held" },
    Setting { name: "pixel_overlap", flag: "pixel-overlap", form: Form::Boolean, default: Some("false"), meaning: "whether a browser's pixel sends the same event ids; the window then begins when the event happened, and older events are not sent" },
    Setting { name: "requests_per_second", flag: "requests-per-second", form: Form::Count(1, 900), default: Some("100"), meaning: "upper bound of the request rate" },
    Setting { name: "concurrency", flag: "concurrency", form: Form::Count(1, 32), default: Some("32"), meaning: "most requests in flight; starts at 4 and adapts to how the API answers" },
    Setting { name: "batch_events", flag: "batch-events", form: Form::Count(1, contract::MAX_BATCH_EVENTS), default: Some("1000"), meaning: "events in one request" },
    Setting { name: "batch_bytes", flag: "batch-bytes", form: Form::Bytes, default: Some("1MB"), meaning: "bytes of one request body" },
    Setting { name: "give_up_after", flag: "give-up-after", form: Form::Duration, default: Some("30m"), meaning: "a delivery without one accepted request for this long ends, resumable" },
    Setting { name: "max_rejects", flag: "max-rejects", form: Form::Share, default: Some("5%"), meaning: "more rejected rows than this, and nothing is sent" },
    Setting { name: "min_rows", flag: "min-rows", form: Form::Count(0, u64::MAX), default: Some("0"), meaning: "fewer rows than this, and nothing is sent" },
    Setting { name: "ledger", flag: "ledger", form: Form::Text, default: Some(".postback"), meaning: "folder of the ledger and of what runs leave behind: beside postback.toml, else beside the query file" },
    Setting { name: "s3_endpoint", flag: "s3-endpoint", form: Form::Text, default: None, meaning: "URL of an S3-compatible store, such as MinIO or R2; in a query file, plain http on loopback only" },
    Setting { name: "s3_region", flag: "s3-region", form: Form::Text, default: None, meaning: "region of the buckets; where nothing names one, the bucket's own answer does" },
    Setting { name: "aws_profile", flag: "aws-profile", form: Form::Text, default: None, meaning: "profile of ~/.aws/credentials and ~/.aws/config that reads `s3://`, before keys in the environment" },
    Setting { name: "memory_limit", flag: "memory-limit", form: Form::Bytes, default: None, meaning: "memory of the query engine before it spills to disk; half of the machine by default" },
    Setting { name: "plain_lake_files", flag: "plain-lake-files", form: Form::Boolean, default: Some("false"), meaning: "`true` reads the files of a Delta, Iceberg or Hudi table as they are, deleted and superseded rows included" },
    Setting { name: "spill_limit", flag: "spill-limit", form: Form::Bytes, default: Some("100GB"), meaning: "disk that the query engine may spill to, in a private folder that goes with the run" },
    Setting { name: "skip_bad_files", flag: "skip-bad-files", form: Form::Switch, default: Some("false"), meaning: "leaves files out that cannot be opened, says so, and measures their share of the bytes by max_rejects" },
    Setting { name: "freshness", flag: "freshness", form: Form::Duration, default: None, meaning: "nothing is sent where the newest file of all sources is older than this, such as 26h" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_its_form_allows() {
        for setting in SETTINGS {
            assert!(setting.default.is_none_or(|value| setting.form.allows(value)), "{}", setting.name);
        }
    }

    #[test]
    fn flags_are_names_with_hyphens() {
        for setting in SETTINGS {
            assert_eq!(setting.flag, setting.name.replace('_', "-"));
        }
    }
}
