//! The table of rules, sorted by code.

use super::{Rule, Severity};
use crate::contract::Citation;

const REJECT: Severity = Severity::Reject;
const WARN: Severity = Severity::Warn;
/// The source of rules that are decisions of postback.
const OURS: Citation = Citation::certain("postback");

const fn rule(
    code: &'static str,
    slug: &'static str,
    severity: Severity,
    citation: Citation,
    why: &'static str,
    fix: &'static str,
) -> Rule {
    Rule { code, slug, severity, why, fix, citation }
}

/// Every rule, sorted by code: `PB2nnn` judge the plan, `PB30nn` and `PB31nn` judge rows.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    // The plan.
    rule("PB2001", "unknown-column", REJECT, OURS,
        "a column that the contract does not know would be lost in silence",
        "rename it, prefix it with `_` to carry it along unsent, or `SET postback.extra_columns = 'properties'` to send it as a custom property"),
    rule("PB2002", "column-given-twice", REJECT, OURS,
        "two columns feed the same field, and picking one would be a guess",
        "keep one of them"),
    rule("PB2003", "required-column-missing", REJECT, Citation::certain("D1 (R16, R23, R32, R33, R34)"),
        "the event source refuses events without this field",
        "return the column, or set its default where a setting exists"),
    rule("PB2004", "no-identity-column", REJECT, Citation::likely("A1, P1, H7 (R30, R31)"),
        "without a person's identity TikTok cannot match an event to an ad",
        "return `email` or `phone`; web events may also carry `external_id`, `tiktok_click_id`, `cookie_id`, or `ip` with `agent`"),
    rule("PB2005", "wrong-type", REJECT, Citation::certain("D1 (R23, R48, R53, R55, R59, R62)"),
        "no value of this type can become the field's JSON type",
        "cast the column in the query"),
    rule("PB2006", "column-not-for-source", WARN, Citation::certain("D1 (R46, R61, R65)"),
        "the event source does not take this field, so it is not sent",
        "leave the column out, or check `postback.event_source`"),
    rule("PB2007", "constant-identity", REJECT, OURS,
        "one identity on every row attributes all events to one person; usually a column name in quotes",
        "remove the quotes"),
    rule("PB2008", "event-name-misspelt", REJECT, Citation::certain("D1, H3 (R17, R20)"),
        "event names are case-sensitive, and a misspelt one counts as a different event or is refused",
        "write the name as suggested, or wrap it in `event_name()`"),
    rule("PB2009", "literal-not-in-set", REJECT, Citation::certain("D1, A2 (R50, R51, R57, R61)"),
        "the field takes one of a closed set of values",
        "use a value of the set"),
    rule("PB2011", "zoneless-timestamp", REJECT, OURS,
        "a time without a zone is hours off unless the zone is known",
        "`SET postback.timezone = 'Area/City'`, or return a timestamp with a time zone"),
    rule("PB2012", "volatile-function", REJECT, OURS,
        "an id or time that changes with every run makes every repeat a new event, and repeats count twice",
        "derive it from the row's own columns, or give the time as a parameter"),
    rule("PB2014", "value-without-currency", WARN, Citation::certain("D1 (R52)"),
        "TikTok reports no revenue for a value without a currency",
        "return `currency`, or `SET postback.currency`"),
    rule("PB2016", "zone-dropped", REJECT, OURS,
        "an instant without its zone is hours away from when it happened",
        "select the text, number or timestamp as it is, without CAST, TIMESTAMP or to_timestamp: it is read in its own zone"),
    // Rows, after the Events API notes.
    rule("PB3007", "event-source-unknown", REJECT, Citation::certain("P9 (R7)"),
        "events go to one of four kinds of destination",
        "return `web`, `app`, `offline` or `crm` in lower case"),
    rule("PB3008", "event-source-id-missing", REJECT, Citation::certain("P10 (R8)"),
        "without the id of an event set, pixel or app an event has no destination",
        "return `event_source_id`, or `SET postback.event_source_id`"),
    rule("PB3009", "event-source-id-shape", REJECT, Citation::certain("P3 (R9)"),
        "offline event set ids are digits; TikTok refuses a pixel code for offline events",
        "copy the id from Events Manager; check that it belongs to the event source"),
    rule("PB3016", "event-name-missing", REJECT, Citation::certain("D1 (R16)"),
        "an event without a name is refused",
        "return `event`, or `SET postback.event`"),
    rule("PB3017", "event-name-not-standard", REJECT, Citation::certain("D1 (R17)"),
        "offline events take standard names only",
        "use a standard name; `event_name()` repairs case and old names"),
    rule("PB3018", "event-name-unusual-offline", WARN, Citation::likely("H6 (R18)"),
        "TikTok's page on offline event sets does not list this event",
        "check in Events Manager that the event arrives"),
    rule("PB3019", "event-name-malformed", REJECT, Citation::certain("H2 (R19)"),
        "a custom name is at most 50 letters, digits, underscores and dashes and starts with a letter",
        "rename the event"),
    rule("PB3020", "event-name-reserved-or-misspelt", WARN, Citation::certain("H3, A1 (R20)"),
        "TikTok maps reserved names to other events, and a name in the wrong case counts as a custom event",
        "use the suggested name"),
    rule("PB3021", "event-name-old", WARN, Citation::certain("H4 (R21)"),
        "the name still works, but one order sent under its old and its new name counts twice",
        "move to the new name when no pixel sends the old one any more"),
    rule("PB3023", "event-time-missing", REJECT, Citation::certain("D1 (R23)"),
        "an event without a readable time is refused",
        "return an ISO 8601 text, a timestamp, or Unix seconds or milliseconds"),
    rule("PB3024", "event-time-magnitude", REJECT, Citation::certain("D1 (R24)"),
        "the number is no Unix time of our decades in any unit",
        "return Unix seconds or milliseconds"),
    rule("PB3025", "event-time-in-future", REJECT, Citation::certain("postback (R25)"),
        "a conversion cannot lie in the future; usually a zone or unit is wrong",
        "check `postback.timezone` and the unit; `postback.future_tolerance` allows for clock skew"),
    rule("PB3026", "event-time-too-old", WARN, Citation::likely("A1, P8 (R26)"),
        "offline events older than 28 days are neither matched nor reported",
        "send events earlier; such rows are counted as out of window and not sent"),
    rule("PB3027", "event-time-old", WARN, Citation::guess("inferred (R27)"),
        "no attribution window reaches back further than 28 days",
        "send events earlier"),
    rule("PB3030", "identity-missing", REJECT, Citation::likely("A1, P1, H7 (R30)"),
        "an offline event without a valid e-mail address or phone number cannot be matched",
        "filter such rows, or repair the addresses and numbers"),
    rule("PB3031", "identity-missing-web", WARN, Citation::likely("A1 (R31)"),
        "an event without any identity cannot be matched",
        "return `email`, `phone`, `external_id`, `tiktok_click_id`, `cookie_id`, or `ip` with `agent`"),
    rule("PB3032", "page-url-missing", REJECT, Citation::certain("D1, A1 (R32)"),
        "web events need the absolute http or https URL of their page",
        "return `page_url`"),
    rule("PB3033", "app-id-missing", REJECT, Citation::certain("D1 (R33)"),
        "app events need the app's store id or package name",
        "return `app_id`"),
    rule("PB3034", "lead-id-missing", REJECT, Citation::certain("D1 (R34)"),
        "crm events need the id of the lead they speak of",
        "return `lead_id`; signals without one can be sent as offline events"),
    rule("PB3037", "identity-malformed", REJECT, Citation::certain("D1 (R37)"),
        "a digest of something that is no address, number or id matches nobody",
        "repair the value, or return NULL; `is_email` and `is_e164` find such rows"),
    rule("PB3039", "digest-upper-case", WARN, Citation::likely("D4, A1 (R39)"),
        "digests are compared in lower case; it was lowered",
        "return digests in lower case"),
    rule("PB3040", "digest-of-nothing", REJECT, Citation::certain("postback (R40)"),
        "the value is the SHA-256 of the empty text and would match unrelated people with each other",
        "hash after removing NULL and blank values, or return the plain value"),
    rule("PB3041", "digest-not-sha256", REJECT, Citation::likely("P7 (R41)"),
        "TikTok matches SHA-256 digests only; this one has the length of MD5 or SHA-1",
        "return the plain value and let postback hash it"),
    rule("PB3042", "ip-not-public", REJECT, Citation::certain("D1 (R42)"),
        "a private, reserved or unreadable address locates nobody",
        "return the visitor's address, not that of a proxy or server"),
    rule("PB3043", "plain-field-hashed", WARN, Citation::certain("D1 (R43)"),
        "TikTok needs this field in plain form and can do nothing with its digest",
        "return the plain value"),
    rule("PB3044", "ip-or-agent-alone", WARN, Citation::certain("D1 (R44)"),
        "TikTok matches by IP address and user agent together",
        "return both `ip` and `agent`"),
    rule("PB3045", "place-malformed", REJECT, Citation::likely("P1, P4, P7 (R45)"),
        "city, state and country are matched as plain lower-case text, the country as two letters",
        "return plain names and ISO 3166 country codes"),
    rule("PB3047", "advertising-id-malformed", REJECT, Citation::certain("D1 (R47)"),
        "an advertising id is a UUID or its SHA-256, and all zeros stand for a person who opted out",
        "return the device's id, or NULL"),
    rule("PB3048", "value-not-a-number", REJECT, Citation::certain("D1 (R48)"),
        "a value that is not a finite number cannot be sent, and leaving it out would hide revenue",
        "repair the value; divisions by zero and failed casts are the usual causes"),
    rule("PB3049", "value-negative", REJECT, Citation::likely("P7 (R49)"),
        "there is no refund event, and a negative value lowers reported revenue unpredictably",
        "filter refunds and corrections"),
    rule("PB3050", "currency-malformed", REJECT, Citation::certain("D1 (R50)"),
        "a currency is an ISO 4217 code of three upper-case letters",
        "wrap it in `iso4217()`, which repairs case and blanks"),
    rule("PB3051", "currency-not-supported", REJECT, Citation::certain("D1 (R51)"),
        "TikTok lists 62 currencies, and this is none of them",
        "convert the value to a listed currency in the query"),
    rule("PB3052", "value-or-currency-alone", WARN, Citation::certain("D1 (R52)"),
        "TikTok reports revenue for value and currency together only",
        "return both `value` and `currency`"),
    rule("PB3055", "item-amount-malformed", REJECT, Citation::certain("D1, P14 (R55)"),
        "an item's price is a number of at least zero, its quantity a whole number of at least one",
        "repair or filter the item"),
    rule("PB3056", "value-far-from-items", WARN, Citation::guess("D1 (R56)"),
        "the value is less than half or more than twice what the items cost; often a unit price, or cents for units",
        "check that `value` is the order's total and `price` a unit price"),
    rule("PB3057", "content-type-unknown", REJECT, Citation::certain("D1 (R57)"),
        "items are matched with the catalogue as products or as product groups",
        "return `product` or `product_group`"),
    rule("PB3059", "count-malformed", REJECT, Citation::certain("D1 (R59)"),
        "a count is a whole number of at least zero",
        "repair the count, or return NULL"),
    rule("PB3061", "customer-type-unknown", REJECT, Citation::certain("D1 (R61)"),
        "TikTok knows new and returning customers",
        "return `new` or `returning`"),
    rule("PB3062", "limited-data-use-malformed", REJECT, Citation::certain("D1 (R62)"),
        "a person's choice must not be lost because it could not be read",
        "return a boolean"),
    rule("PB3063", "limited-data-use-without-effect", WARN, Citation::certain("D1, A1 (R63)"),
        "TikTok honours limited data use on web and app events only",
        "filter the people who chose it, if your policy asks for that"),
    rule("PB3064", "limited-data-use-without-ip", WARN, Citation::likely("P7 (R64)"),
        "TikTok derives the state whose law applies from the IP address",
        "return `ip` with it"),
    rule("PB3065", "attribution-share-out-of-range", REJECT, Citation::certain("D1 (R65)"),
        "a share lies between 0 and 1",
        "return a fraction, not a percentage"),
    rule("PB3069", "event-channel-unknown", REJECT, Citation::likely("P1, A2 (R69)"),
        "the channel is one of six",
        "return `email`, `website`, `phone_call`, `in_store`, `crm` or `other`"),
    rule("PB3073", "duplicate-conflict", REJECT, Citation::certain("H1 (R66, R73)"),
        "TikTok keeps one event per event id and drops the others, so differing rows with one id lose data",
        "`SET postback.fold = 'contents'` to fold an order's lines into one event, or return one row per event"),
    // Rows, rules of postback itself.
    rule("PB3101", "folded-rows-differ", REJECT, OURS,
        "rows of one event disagree about the event itself, and picking one would be a guess",
        "make the named columns agree, for example with a window function over the order"),
    rule("PB3102", "event-id-missing", REJECT, OURS,
        "an id derived from NULL would merge unrelated events or change between runs",
        "return an id for every row; one is derived from `order_id` where the query has no `event_id` column"),
    rule("PB3103", "phone-without-region", REJECT, Citation::certain("D1 (R37)"),
        "a national phone number means a different person in every country",
        "`SET postback.default_region`, wrap the column in `e164(phone, region)`, or return numbers with `+`"),
    rule("PB3104", "number-malformed", REJECT, Citation::certain("D1 (R48)"),
        "the field takes a finite number",
        "repair the number, or return NULL"),
    rule("PB3105", "number-too-large", REJECT, OURS,
        "the amount has more digits than can be computed exactly, and a rounded one would be wrong",
        "check the unit of price and quantity"),
    rule("PB3106", "time-without-zone", REJECT, OURS,
        "a time without a zone is hours off unless the zone is known",
        "`SET postback.timezone = 'Area/City'`, or return times with an offset"),
    rule("PB3107", "locale-malformed", REJECT, Citation::certain("D1"),
        "a locale is a BCP 47 language tag",
        "return tags such as `en-US`"),
    rule("PB3108", "text-not-in-set", REJECT, Citation::likely("D1, P1"),
        "the field takes one of a closed set of texts",
        "return a value of the set, or NULL"),
    rule("PB3109", "required-value-missing", REJECT, Citation::certain("D1"),
        "the event source refuses events without this field",
        "return a value for every row"),
    rule("PB3110", "boolean-malformed", REJECT, Citation::certain("D1"),
        "the field takes true or false",
        "return a boolean"),
    rule("PB3111", "value-incomplete", REJECT, OURS,
        "a sum over some of an order's items reports too little revenue",
        "return price and quantity of every item, or a `value` column with `SET postback.fold_value`"),
];

#[cfg(test)]
mod tests {
    use super::super::rule as find;
    use super::*;

    #[test]
    fn rules_are_sorted_unique_and_complete() {
        assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
        for rule in RULES {
            assert_eq!(find(rule.code), Some(rule));
            assert!(
                rule.slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                rule.slug
            );
            assert_eq!(RULES.iter().filter(|other| other.slug == rule.slug).count(), 1, "{}", rule.slug);
            for text in [rule.why, rule.fix] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}", rule.code);
            }
        }
        assert_eq!(find("PB9999"), None);
    }

    #[test]
    fn a_guess_only_warns() {
        use crate::contract::Confidence;
        for rule in RULES {
            assert!(rule.citation.confidence > Confidence::Guess || rule.severity == Severity::Warn, "{}", rule.code);
        }
    }
}
