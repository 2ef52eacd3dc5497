//! Select items that break a rule, and what to write in their place.

/// How a rule is broken, and how not.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The code of the rule.
    pub code: &'static str,
    /// What breaks it: items of a SELECT over `c`, behind the settings they need, or a whole query.
    pub bad: &'static str,
    /// What to write in its place.
    pub good: &'static str,
}

/// The example of the rule `code`.
#[must_use]
pub fn find(code: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.code == code)
}

const fn example(code: &'static str, bad: &'static str, good: &'static str) -> Example {
    Example { code, bad, good }
}

/// One example for each rule that one can be given for, sorted by code. Each is tried by a test.
#[rustfmt::skip]
pub static EXAMPLES: &[Example] = &[
    example("PB2001", "c.email AS emial", "c.email AS email"),
    example("PB2002", "c.email AS email, c.work_email AS emails", "make_array(c.email, c.work_email) AS email"),
    example("PB2003", "SELECT 'Purchase' AS event, c.order_id, c.email FROM 'orders.csv' c", "SELECT 'Purchase' AS event, c.placed_at AS timestamp, c.order_id, c.email FROM 'orders.csv' c"),
    example("PB2004", "SELECT 'Purchase' AS event, c.placed_at AS timestamp, c.order_id FROM 'orders.csv' c", "SELECT 'Purchase' AS event, c.placed_at AS timestamp, c.order_id, c.email FROM 'orders.csv' c"),
    example("PB2005", "c.is_paid AS value, 'USD' AS currency", "c.total AS value, 'USD' AS currency"),
    example("PB2006", "c.email AS email, c.ip AS ip", "c.email AS email, c.ip AS _ip"),
    example("PB2007", "'c.email' AS email", "c.email AS email"),
    example("PB2008", "'purchase' AS event", "'Purchase' AS event"),
    example("PB2009", "c.total AS value, 'usd' AS currency", "c.total AS value, 'USD' AS currency"),
    example("PB2010", "md5(c.email) AS email", "c.email AS email"),
    example("PB2011", "c.local_time AS timestamp", "SET postback.timezone = 'Europe/Berlin'; c.local_time AS timestamp"),
    example("PB2012", "now() AS timestamp", "c.placed_at AS timestamp"),
    example("PB2013", "c.sku AS content_id, c.price AS price, c.quantity AS quantity, 'USD' AS currency", "SET postback.fold = 'contents'; c.sku AS content_id, c.price AS price, c.quantity AS quantity, 'USD' AS currency"),
    example("PB2014", "c.total AS value", "c.total AS value, 'USD' AS currency"),
    example("PB2015", "SET postback.access_token = 'the-token-itself'; c.email AS email", "SET postback.token_file = '/run/secrets/tiktok'; c.email AS email"),
    example("PB2016", "CAST(c.instant AS TIMESTAMP) AS timestamp", "c.instant AS timestamp"),
    example("PB2017", "'c.order_id' AS event_id", "c.order_id AS event_id"),
    example("PB2018", "'CA1B2C3D4E5F6G7H8I9J' AS event_source_id", "'7654321098765432109' AS event_source_id"),
    example("PB2019", "NULL AS timestamp", "c.placed_at AS timestamp"),
    example("PB2020", "SET postback.timezone = 'Europe/Berlin'; CAST(c.local_time AS DATE) AS timestamp", "SET postback.timezone = 'Europe/Berlin'; c.local_time AS timestamp"),
    example("PB2021", "SELECT 'Purchase' AS event, c.placed_at AS timestamp, c.email FROM 'orders.csv' c LIMIT 100", "SELECT 'Purchase' AS event, c.placed_at AS timestamp, c.email FROM 'orders.csv' c ORDER BY c.order_id LIMIT 100"),
    example("PB2022", "CAST(to_unixtime(c.placed_at) AS TIMESTAMP) AS timestamp", "to_timestamp_seconds(to_unixtime(c.placed_at)) AS timestamp"),
    example("PB2024", "c.cents / 100 AS value, 'USD' AS currency", "c.cents / 100.0 AS value, 'USD' AS currency"),
    example("PB2025", "CAST(c.total AS BIGINT) AS value, 'USD' AS currency", "c.total AS value, 'USD' AS currency"),
    example("PB2027", "to_char(c.instant, 'YYYYMMDD') AS _day", "to_char(c.instant, '%Y%m%d') AS _day"),
    example("PB2028", "substr(c.email, -4) AS _end", "right(c.email, 4) AS _end"),
];
