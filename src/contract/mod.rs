//! The Events API 2.0 contract as data: every fact about the wire is a row here, with its source.
//!
//! SQL functions, plan checks, row checks, the JSON encoder, the sandbox's verdicts, `postback schema` and the
//! README tables all derive from these tables, so that a new field is one row of [`fields`] and one golden payload.
//! The text-to-canonical-form functions live here too ([`normalize`], [`phone`], [`time`]): what a canonical e-mail
//! address is, is a contract fact as well. Nothing here does I/O, reads a clock or knows more of DataFusion than the
//! Arrow types a column may have.
//!
//! Citations name TikTok's documents and the public integrations they were compared with, by the tags of
//! [`SOURCES`]; a [`Confidence`] says how far a row can be trusted. A guess may warn, never reject.

use std::fmt;

pub mod currencies;
pub mod events;
pub mod fields;
pub mod normalize;
pub mod personal;
pub mod phone;
pub mod placeholders;
pub mod responses;
pub mod schema;
pub(crate) mod temporal;
pub mod time;

/// How sure a contract fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A single weak source or an inference.
    Guess,
    /// Two or more independent integrations agree.
    Likely,
    /// Stated by TikTok's own page or official repository, or seen in a real response.
    Certain,
}

impl Confidence {
    /// The word users see: `certain`, `likely` or `guess`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// Where a contract fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Citation {
    /// Tags of [`SOURCES`], and the rule number where one exists, for example `D1, A1 (R30)`.
    pub sources: &'static str,
    /// How sure the fact is.
    pub confidence: Confidence,
}

impl Citation {
    /// Stated by TikTok or seen in a real response.
    #[must_use]
    pub const fn certain(sources: &'static str) -> Self {
        Self { sources, confidence: Confidence::Certain }
    }
    /// Several independent integrations agree.
    #[must_use]
    pub const fn likely(sources: &'static str) -> Self {
        Self { sources, confidence: Confidence::Likely }
    }
    /// One weak source, or inferred.
    #[must_use]
    pub const fn guess(sources: &'static str) -> Self {
        Self { sources, confidence: Confidence::Guess }
    }
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.sources, self.confidence.as_str())
    }
}

/// What the tags in a [`Citation`] stand for.
pub const SOURCES: &[(&str, &str)] = &[
    ("D1", "TikTok reference page \"Report App, Web, Offline, or CRM Events\" (1771101303285761)"),
    ("D2", "Go SDK bububa/tiktok-business, which translates TikTok's pages"),
    ("D3", "TikTok's official SDK tiktok/tiktok-business-api-sdk"),
    ("D4", "TikTok's official server-side tag tiktok/gtm-template-eapi"),
    ("D5", "TikTok portal pages on return codes, rate limits and scopes, as of 2026-08-13"),
    ("H1", "TikTok help: event deduplication"),
    ("H2", "TikTok help: custom events"),
    ("H3", "TikTok help: reserved events"),
    ("H4", "TikTok help: adopting the updated standard events"),
    ("H5", "TikTok help: supported standard events"),
    ("H6", "TikTok help: supported events for offline event sets"),
    ("H7", "TikTok help: Events API for offline"),
    ("H8", "TikTok help: CRM signal postback"),
    ("H9", "TikTok help: monitor and diagnose"),
    ("H10", "TikTok help: matching events with Events API"),
    ("A1", "Amperity documentation, current"),
    ("A2", "Amperity documentation before May 2026"),
    ("P1", "Segment action destinations"),
    ("P2", "RudderStack transformer"),
    ("P3", "Stape tiktok-tag"),
    ("P4", "PostHog destination"),
    ("P5", "Tealium connectors"),
    ("P7", "social-hub adapter notes of 2026-08-10"),
    ("P8", "NUMU tracking study, September 2026"),
    ("P9", "test report with a real rejection, 2025-09-16"),
    ("P10", "regression test quoting a real rejection"),
    ("P12", "TypeScript types generated from TikTok's pages"),
    ("P14", "other quoted responses"),
];

/// `event_source` of a request: where an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventSource {
    /// Stores, phone orders, anything outside the web site and the app.
    Offline,
    /// The web site.
    Web,
    /// A mobile app.
    App,
    /// Signals about leads from a CRM system.
    Crm,
}

impl EventSource {
    /// Every event source, in the order of [`Field::presence`].
    pub const ALL: [Self; 4] = [Self::Offline, Self::Web, Self::App, Self::Crm];

    /// The wire form: `offline`, `web`, `app` or `crm`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Web => "web",
            Self::App => "app",
            Self::Crm => "crm",
        }
    }

    /// The event source of exactly this wire form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

impl fmt::Display for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an event source takes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The event is refused without it.
    Required,
    /// Sent when the query gives it.
    Optional,
    /// Not part of this source's events: a column of this name is a warning, and it is not sent.
    Absent,
}

impl Presence {
    /// The word users see: `required`, `optional` or `-`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Absent => "-",
        }
    }
}

/// What a field's value may be and how it is brought into canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `web`, `app`, `offline` or `crm`.
    EventSource,
    /// The id of the pixel, event set or app that receives the event.
    EventSourceId,
    /// A standard, legacy, reserved or custom event name; case-sensitive.
    EventName,
    /// ISO 8601 text, a timestamp, a date or a Unix epoch; sent as whole seconds UTC.
    Time,
    /// The de-duplication id, free text.
    EventId,
    /// One or several e-mail addresses: trimmed, lower-cased, SHA-256.
    Email,
    /// One or several phone numbers: E.164 with `+`, SHA-256.
    Phone,
    /// One or several customer ids: trimmed, SHA-256.
    ExternalId,
    /// A person's name: lower case, no punctuation or white space, SHA-256.
    PersonName,
    /// A postal code: lower case, no blanks or hyphens, SHA-256.
    ZipCode,
    /// A city or state: lower case letters and digits, plain.
    Place,
    /// A two-letter country code in lower case, plain.
    Country,
    /// A public IPv4 or IPv6 address, plain.
    Ip,
    /// A BCP 47 language tag.
    Locale,
    /// An absolute `http` or `https` URL.
    Url,
    /// An advertising id: raw in upper case, or its SHA-256.
    UpperAdvertisingId,
    /// An advertising id: raw in lower case, or its SHA-256.
    LowerAdvertisingId,
    /// Free text; numbers become text without a fraction.
    Text,
    /// A list of texts.
    Texts,
    /// One of a closed set of texts.
    OneOf(&'static [&'static str]),
    /// An ISO 4217 code in upper case.
    Currency,
    /// An exact decimal number that may not be negative.
    Amount,
    /// Any finite number.
    Number,
    /// A list of finite numbers.
    Numbers,
    /// A whole number of at least zero.
    Integer,
    /// A whole number of at least one.
    Quantity,
    /// True or false.
    Boolean,
    /// A list of structs of the item fields.
    Contents,
}

/// How personal a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Says nothing about a person.
    Public,
    /// Personal, leaves the machine as a SHA-256 digest only.
    Hashed,
    /// Personal, and the contract asks for it in plain form.
    Plain,
}

impl Privacy {
    /// The word users see: `public`, `hashed` or `plain`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Hashed => "hashed",
            Self::Plain => "plain",
        }
    }
}

/// A line of business with fields of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vertical {
    /// Hotels, flights and destinations.
    Travel,
    /// Cars and their dealers.
    Vehicle,
}

impl Vertical {
    /// The word users see: `travel` or `vehicle`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Travel => "travel",
            Self::Vehicle => "vehicle",
        }
    }
}

/// One field of the Events API request and the column that feeds it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Canonical column name in a query's result.
    pub column: &'static str,
    /// Other column names for the same field, matched without regard to case.
    pub aliases: &'static [&'static str],
    /// Where the value goes in the JSON: `event_source` and `event_source_id` in the envelope, everything else
    /// inside the event, with dots between objects and `[]` after an array, as in `properties.contents[].price`.
    pub path: &'static str,
    /// What values are and how they are canonicalised.
    pub kind: Kind,
    /// How personal the value is.
    pub privacy: Privacy,
    /// Per event source, in the order of [`EventSource::ALL`]: offline, web, app, crm.
    pub presence: [Presence; 4],
    /// The line of business that the field belongs to; most fields belong to none.
    pub vertical: Option<Vertical>,
    /// One sentence for people who write queries.
    pub meaning: &'static str,
    /// Source of the row.
    pub citation: Citation,
}

impl Field {
    /// Whether `source` takes this field.
    #[must_use]
    pub const fn presence(&self, source: EventSource) -> Presence {
        self.presence[source as usize]
    }

    /// Whether the value tells one thing from others: an order, a shop, a product, a click.
    #[must_use]
    pub fn is_id(&self) -> bool {
        let is_named_so = self.column.ends_with("_id") || self.column.ends_with("_ids") || self.column == "idfv";
        matches!(self.kind, Kind::EventId) || matches!(self.kind, Kind::Text | Kind::Texts) && is_named_so
    }

    /// Whether the value is text that leaves the machine as it is, and may hold what it should not. A user agent may:
    /// those of robots name whom to write to.
    #[must_use]
    pub fn is_plain_text(&self) -> bool {
        matches!(self.kind, Kind::EventId | Kind::Text | Kind::Texts | Kind::Url | Kind::Place)
            && self.column != "agent"
    }

    /// Whether the value belongs to an item of `properties.contents`.
    #[must_use]
    pub fn is_item(&self) -> bool {
        self.path.starts_with("properties.contents[].")
    }
}

/// A number that the contract, or postback where the contract is silent, puts on a request or an event.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Snake-case name, as printed by `postback schema`.
    pub name: &'static str,
    /// The number.
    pub value: u64,
    /// The unit of the number.
    pub unit: &'static str,
    /// Source of the row.
    pub citation: Citation,
}

/// Origin of the production API (D1, D3, D4: certain).
pub const PRODUCTION: &str = "https://business-api.tiktok.com";
/// Path that events are posted to. The trailing slash belongs to it: without it the gateway answers 404 (D1, D5: certain).
pub const TRACK_PATH: &str = "/open_api/v1.3/event/track/";
/// Events in one request; one more and the whole request is refused.
pub const MAX_BATCH_EVENTS: u64 = 1_000;
/// Bytes of one request body, by default.
pub const MAX_BATCH_BYTES: u64 = 1_000_000;
/// Requests per second on the event endpoints, per developer app.
pub const MAX_REQUESTS_PER_SECOND: u64 = 1_000;
/// Characters of a custom event name.
pub const MAX_CUSTOM_NAME: u64 = 50;
/// Age in days beyond which an offline event is neither matched nor reported.
pub const MAX_EVENT_AGE_DAYS: u64 = 28;
/// Seconds an event may lie in the future.
pub const FUTURE_TOLERANCE_SECONDS: u64 = 300;
/// Digits of `event_time`: Unix seconds have ten, a value with thirteen is in milliseconds.
pub const EVENT_TIME_DIGITS: u64 = 10;
/// Hours in which TikTok drops a repeated (event source id, event, event id).
pub const DEDUP_WINDOW_HOURS: u64 = 48;

/// Every limit, as `postback schema` prints them.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "max_batch_events",
        value: MAX_BATCH_EVENTS,
        unit: "events per request",
        citation: Citation::certain("D1 (R11)"),
    },
    Limit {
        name: "max_batch_bytes",
        value: MAX_BATCH_BYTES,
        unit: "bytes per request body",
        citation: Citation::guess("P5 (R72)"),
    },
    Limit {
        name: "max_requests_per_second",
        value: MAX_REQUESTS_PER_SECOND,
        unit: "requests per second, app and endpoint",
        citation: Citation::certain("D5 (R6)"),
    },
    Limit {
        name: "max_custom_name",
        value: MAX_CUSTOM_NAME,
        unit: "characters of a custom event name",
        citation: Citation::certain("H2 (R19)"),
    },
    Limit {
        name: "max_event_age_days",
        value: MAX_EVENT_AGE_DAYS,
        unit: "days, offline events",
        citation: Citation::likely("A1, P8 (R26)"),
    },
    Limit {
        name: "future_tolerance_seconds",
        value: FUTURE_TOLERANCE_SECONDS,
        unit: "seconds",
        citation: Citation::guess("inferred (R25)"),
    },
    Limit {
        name: "event_time_digits",
        value: EVENT_TIME_DIGITS,
        unit: "digits of a Unix time in seconds",
        citation: Citation::likely("D1 (R24)"),
    },
    Limit {
        name: "dedup_window_hours",
        value: DEDUP_WINDOW_HOURS,
        unit: "hours",
        citation: Citation::certain("H1, P5, P8"),
    },
];
