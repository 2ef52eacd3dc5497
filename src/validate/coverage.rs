//! What answers for each rule of the Events API notes: rules of postback, the way it is built, or TikTok alone.

/// One rule of the notes.
#[derive(Clone, Copy, Debug)]
pub struct Coverage {
    /// Its number: 30 for `R30`.
    pub number: u8,
    /// What it asks for.
    pub asks: &'static str,
    /// Who sees to it.
    pub by: Enforcement,
}

/// Who sees to it that a rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Rules of postback, by their codes.
    Rules(&'static [&'static str]),
    /// The way postback is built: what would break the rule cannot be written.
    Construction(&'static str),
    /// Both: rules judge what a query returns, and the rest holds by construction.
    RulesAndConstruction(&'static [&'static str], &'static str),
    /// The API alone can judge it; what postback does about the answer.
    Api(&'static str),
}

impl Enforcement {
    /// The codes of the rules that enforce it.
    #[must_use]
    pub const fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Rules(codes) | Self::RulesAndConstruction(codes, _) => codes,
            Self::Construction(_) | Self::Api(_) => &[],
        }
    }

    /// How it holds beside the rules, or why no rule enforces it.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Rules(_) => None,
            Self::Construction(reason) | Self::RulesAndConstruction(_, reason) | Self::Api(reason) => Some(reason),
        }
    }

    /// In a word: `rules`, `construction`, `rules and construction` or `api`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rules(_) => "rules",
            Self::Construction(_) => "construction",
            Self::RulesAndConstruction(..) => "rules and construction",
            Self::Api(_) => "api",
        }
    }
}

/// The row of rule `R`*number*.
#[must_use]
pub fn find(number: u8) -> Option<&'static Coverage> {
    COVERAGE.iter().find(|row| row.number == number)
}

/// The rules of the notes that the rule `code` helps to enforce.
pub fn of(code: &str) -> impl Iterator<Item = &'static Coverage> {
    COVERAGE.iter().filter(move |row| row.by.codes().contains(&code))
}

const fn row(number: u8, asks: &'static str, by: Enforcement) -> Coverage {
    Coverage { number, asks, by }
}

use Enforcement::{Api, Construction, Rules, RulesAndConstruction};

/// Every rule of the notes, in their order.
#[rustfmt::skip]
pub static COVERAGE: &[Coverage] = &[
    row(1, "POST to the exact path with its trailing slash", Construction("the client knows one method and one path")),
    row(2, "a JSON object as body, declared as application/json", Construction("the encoder writes nothing else, and the client declares it on every request")),
    row(3, "an Access-Token header that is not empty", Construction("a run that sends does not start without a token: it ends with exit code 3")),
    row(4, "a token that is known and not revoked", Api("only TikTok knows its tokens; 40105 stops the run with exit code 3, and running again continues")),
    row(5, "a token that may operate the event source", Api("only TikTok knows roles and scopes; 40001 and 40125 stop the run with exit code 3")),
    row(6, "at most 1,000 requests a second per app and endpoint", Construction("`postback.requests_per_second` is at most 900; others may share the app's limit, so 40100 slows the run down")),
    row(7, "`event_source` is web, app, offline or crm", RulesAndConstruction(&["PB2003", "PB3007"], "the setting takes these four words only")),
    row(8, "`event_source_id` is a text that is not empty", RulesAndConstruction(&["PB2003", "PB3008"], "it is always written as JSON text")),
    row(9, "the id has the shape of its event source", Rules(&["PB2018", "PB3009"])),
    row(10, "`data` holds at least one event", Construction("a batch begins with its first event, so none is empty")),
    row(11, "`data` holds at most 1,000 events", Construction("`postback.batch_events` is at most 1000")),
    row(12, "`test_event_code` and `partner_name` are texts", Construction("they are always written as JSON text")),
    row(13, "no `test_event_code` in production", Construction("no setting, variable or column sets one: only `--test-event-code` does, for all requests of a run, with a ledger of its own and a banner")),
    row(14, "`test_event_code` and `event_source` stand beside `data`, not in it", Construction("the encoder writes them into the envelope only")),
    row(15, "no unknown keys beside `data`", Construction("the envelope has four keys, all of them known")),
    row(16, "`event` is a text that is not empty", Rules(&["PB2003", "PB2019", "PB3016"])),
    row(17, "offline events have a standard or an old name", Rules(&["PB2008", "PB3017"])),
    row(18, "offline events have one of the 12 names that TikTok lists for offline sets", Rules(&["PB3018"])),
    row(19, "a custom name is well formed", Rules(&["PB3019"])),
    row(20, "no reserved name, and no standard name in another case", Rules(&["PB2008", "PB3020"])),
    row(21, "today's name in place of an old one", Rules(&["PB3021"])),
    row(22, "crm events may have any name that is not empty", Rules(&["PB3016"])),
    row(23, "`event_time` is given, as a whole number", RulesAndConstruction(&["PB2003", "PB2005", "PB2019", "PB3023"], "every readable time is written as whole seconds")),
    row(24, "`event_time` counts seconds, in 10 digits", Rules(&["PB3024", "PB3206"])),
    row(25, "`event_time` lies at most 5 minutes in the future", Rules(&["PB3025"])),
    row(26, "offline events are at most 28 days old", Rules(&["PB3026"])),
    row(27, "other events are at most 28 days old", Rules(&["PB3027"])),
    row(28, "`event_id` is a text", Construction("it is always written as JSON text")),
    row(29, "every event has an `event_id`", RulesAndConstruction(&["PB3102"], "where the query has none, it is derived from the order, or from identity and time")),
    row(30, "offline events have an email or a phone", Rules(&["PB2004", "PB2019", "PB3030"])),
    row(31, "web events have an identity", Rules(&["PB2004", "PB3031"])),
    row(32, "web events have the absolute URL of their page", Rules(&["PB2003", "PB2019", "PB3032"])),
    row(33, "app events have an app id", Rules(&["PB2003", "PB2019", "PB3033"])),
    row(34, "crm events have a lead id", Rules(&["PB2003", "PB2019", "PB3034"])),
    row(35, "`user`, `properties`, `page`, `app`, `ad` and `lead` are objects", Construction("the encoder writes them as objects, and leaves out the empty ones")),
    row(36, "identities are texts or lists of texts", RulesAndConstruction(&["PB2005"], "the encoder writes one as text and several as a list")),
    row(37, "each identity is a SHA-256 digest in lower-case hex", RulesAndConstruction(&["PB2010", "PB3037", "PB3103", "PB3114", "PB3115"], "digests are made here, of normalised values")),
    row(38, "no identity in plain form", Construction("only digests are encoded: what is no digest is hashed, or refused by PB3037")),
    row(39, "digests in lower case", RulesAndConstruction(&["PB3039"], "upper-case digests are lowered")),
    row(40, "no digest of nothing, and none of a digest", Rules(&["PB3040", "PB3112"])),
    row(41, "no MD5 and no SHA-1", Rules(&["PB2010", "PB3041"])),
    row(42, "`ip` is a public address", Rules(&["PB3042"])),
    row(43, "`ip`, `user_agent`, `ttclid` and `ttp` are plain", Rules(&["PB3043"])),
    row(44, "`ip` and `user_agent` come together", Rules(&["PB3044"])),
    row(45, "names and postal code are digests; city, state and country are plain", RulesAndConstruction(&["PB3045"], "names and postal codes are hashed here")),
    row(46, "no identity that the event source does not take", RulesAndConstruction(&["PB2006", "PB3207"], "the encoder leaves out what the row's event source does not take")),
    row(47, "advertising ids in the right case, `att_status` of its set", RulesAndConstruction(&["PB3047", "PB3108"], "ids are brought to the case that each takes")),
    row(48, "`value` is a finite number", RulesAndConstruction(&["PB2005", "PB3048", "PB3104"], "amounts are written as JSON numbers, digit for digit")),
    row(49, "`value` is not negative", Rules(&["PB3049"])),
    row(50, "`currency` is three upper-case letters", Rules(&["PB2009", "PB3050"])),
    row(51, "`currency` is one of the 62 listed", Rules(&["PB2009", "PB3051"])),
    row(52, "`value` and `currency` together, and both on sales", Rules(&["PB2014", "PB3052"])),
    row(53, "`contents` is a list of objects, `content_ids` a list of texts", RulesAndConstruction(&["PB2005"], "the encoder writes no other shape")),
    row(54, "`content_id` is a text", Construction("it is always written as JSON text")),
    row(55, "`price` is a number, `quantity` a whole number of at least 1", Rules(&["PB2005", "PB3055"])),
    row(56, "`value` is near the sum of price × quantity", Rules(&["PB3056"])),
    row(57, "`content_type` is product or product_group", Rules(&["PB2009", "PB3057"])),
    row(58, "`content_type` beside `contents`", Construction("it is `product` where the row says nothing")),
    row(59, "order, shop, description and search are texts, counts whole numbers", RulesAndConstruction(&["PB2005", "PB3059"], "texts are always written as JSON text")),
    row(60, "`event_channel` has no effect", Construction("it is sent under `properties`, where TikTok tolerates unknown keys, for those who report on it")),
    row(61, "`customer_type` is new or returning, on web and app events", Rules(&["PB2006", "PB2009", "PB3061", "PB3207"])),
    row(62, "`limited_data_use` is a boolean", Rules(&["PB2005", "PB3062"])),
    row(63, "`limited_data_use` on web and app events only", Rules(&["PB3063"])),
    row(64, "`limited_data_use` with a public `ip`", Rules(&["PB3064"])),
    row(65, "`attribution_share` from 0 to 1, other `ad` keys on app events only", Rules(&["PB2006", "PB3065", "PB3207"])),
    row(66, "no event id twice in one request", Rules(&["PB2013", "PB3073"])),
    row(67, "no unknown keys in `user`, `properties` and `page`", RulesAndConstruction(&["PB2001"], "custom properties are sent only when `postback.extra_columns` asks for them")),
    row(68, "no `null`", Construction("the encoder leaves NULL out together with its key")),
    row(69, "`event_channel` is one of six (Events 1.0)", Rules(&["PB2009", "PB3069"])),
    row(70, "ISO 8601 times, and an email or a phone (Events 1.0)", Construction("Events 1.0 is not spoken; ISO 8601 is read, and R30 asks for the identity")),
    row(71, "one event source and one id per request", Construction("a batch has one destination")),
    row(72, "a request body within the size limit", Construction("batches are cut at `postback.batch_bytes`; an event larger than that travels alone")),
    row(73, "no event id twice in the result, unless rows are folded", Rules(&["PB2013", "PB3073"])),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::{RULES, rule};

    /// The numbers of the rules that a citation names: `D1 (R16, R23)`.
    fn cited(sources: &str) -> Vec<u8> {
        let words = sources.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.filter_map(|word| word.strip_prefix('R')?.parse().ok()).collect()
    }

    #[test]
    fn every_rule_of_the_notes_is_answered_once() {
        let numbers: Vec<u8> = COVERAGE.iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=73).collect::<Vec<u8>>());
        for row in COVERAGE {
            assert!(!row.by.codes().is_empty() || row.by.reason().is_some(), "R{}", row.number);
            for text in [Some(row.asks), row.by.reason()].into_iter().flatten() {
                assert!(!text.is_empty() && !text.ends_with('.'), "R{}", row.number);
            }
        }
    }

    #[test]
    fn every_code_is_a_rule_and_codes_are_sorted() {
        for row in COVERAGE {
            assert!(row.by.codes().is_sorted(), "R{}", row.number);
            for code in row.by.codes() {
                assert!(rule(code).is_some(), "R{}: {code}", row.number);
            }
        }
    }

    #[test]
    fn a_rule_that_cites_the_notes_is_named_where_it_says() {
        for rule in RULES {
            for number in cited(rule.citation.sources) {
                let row = find(number).unwrap_or_else(|| panic!("{} cites R{number}", rule.code));
                assert!(row.by.codes().contains(&rule.code), "{} cites R{number}, which does not name it", rule.code);
            }
        }
    }

    #[test]
    fn rules_of_rows_have_the_numbers_of_the_notes() {
        for rule in RULES.iter().filter(|rule| rule.code.starts_with("PB30")) {
            let number: u8 = rule.code[4..].parse().unwrap();
            assert!(cited(rule.citation.sources).contains(&number), "{}", rule.code);
            assert!(of(rule.code).any(|row| row.number == number), "{}", rule.code);
        }
    }
}
