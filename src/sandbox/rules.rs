//! Which rules of the contract the sandbox enforces, profile by profile, and the words it uses.
//!
//! The numbers are those of the contract's rule list (R1, R2, …). A rule that a profile does not enforce is still
//! looked at: its findings are counted as warnings, so that a run that TikTok would accept can still be told what is
//! odd about it.

use std::fmt;

/// How strict the sandbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Refuses only what TikTok was seen to refuse, and more events than one request may carry.
    Observed,
    /// Refuses what TikTok documents as wrong.
    #[default]
    Documented,
    /// Refuses everything postback itself would refuse to send.
    Strict,
    /// Refuses what Amperity's destination asks for on top of `Documented`.
    Amperity,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Observed, Self::Documented, Self::Strict, Self::Amperity];

    /// The word users write: `observed`, `documented`, `strict` or `amperity`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Documented => "documented",
            Self::Strict => "strict",
            Self::Amperity => "amperity",
        }
    }

    /// The profile of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }

    /// Whether a request that breaks rule `number` is refused.
    pub(crate) fn refuses(self, number: u8) -> bool {
        rule(number).refused_by.contains(&self)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rule a server can judge.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its number in the contract.
    pub number: u8,
    /// The profiles that refuse a request for it.
    pub refused_by: &'static [Profile],
    /// What a warning says: one phrase for people.
    pub finding: &'static str,
}

/// Seen in a real response.
const OBSERVED: &[Profile] = &Profile::ALL;
/// Stated by TikTok, or a type that follows from what it states.
const DOCUMENTED: &[Profile] = &[Profile::Documented, Profile::Strict, Profile::Amperity];
/// Client policy: nothing shows that TikTok refuses it.
const POLICY: &[Profile] = &[Profile::Strict];
/// Client policy that Amperity states as well.
const PARITY: &[Profile] = &[Profile::Strict, Profile::Amperity];
/// Amperity alone.
const AMPERITY: &[Profile] = &[Profile::Amperity];
/// Never a reason to refuse.
const ADVICE: &[Profile] = &[];

/// Every rule the sandbox looks at, by number.
pub(crate) static RULES: &[Rule] = &[
    Rule { number: 2, refused_by: DOCUMENTED, finding: "the request is not declared as application/json" },
    Rule { number: 7, refused_by: OBSERVED, finding: "the event source is unknown" },
    Rule { number: 8, refused_by: OBSERVED, finding: "the event source id is missing or not a string" },
    Rule { number: 9, refused_by: OBSERVED, finding: "an offline event set id has digits only" },
    Rule { number: 10, refused_by: DOCUMENTED, finding: "the request carries no events" },
    Rule { number: 11, refused_by: OBSERVED, finding: "the request carries too many events" },
    Rule { number: 12, refused_by: DOCUMENTED, finding: "an envelope field is not a string" },
    Rule { number: 14, refused_by: ADVICE, finding: "an envelope field is misplaced inside an event" },
    Rule { number: 15, refused_by: ADVICE, finding: "the envelope has a key the Events API does not know" },
    Rule { number: 16, refused_by: DOCUMENTED, finding: "the event has no name" },
    Rule { number: 17, refused_by: POLICY, finding: "the event name is not a standard event, as this source asks for" },
    Rule {
        number: 19,
        refused_by: POLICY,
        finding: "the custom event name is too long or has characters beyond letters, digits, _ and -",
    },
    Rule { number: 20, refused_by: ADVICE, finding: "the event name is a standard or reserved name in other words" },
    Rule { number: 21, refused_by: ADVICE, finding: "the event name is an old one" },
    Rule { number: 23, refused_by: DOCUMENTED, finding: "the event time is not a whole number of seconds" },
    Rule { number: 24, refused_by: POLICY, finding: "the event time is not in seconds" },
    Rule { number: 25, refused_by: POLICY, finding: "the event lies in the future" },
    Rule { number: 26, refused_by: ADVICE, finding: "the event is too old to be matched" },
    Rule { number: 27, refused_by: ADVICE, finding: "the event is too old to be matched" },
    Rule { number: 28, refused_by: OBSERVED, finding: "the event id is not a string" },
    Rule { number: 29, refused_by: ADVICE, finding: "the event has no id, so a repeat cannot be told apart" },
    Rule { number: 30, refused_by: PARITY, finding: "an offline event needs an e-mail address or a phone number" },
    Rule { number: 31, refused_by: AMPERITY, finding: "a web event without identity cannot be matched" },
    Rule { number: 32, refused_by: PARITY, finding: "a web event needs the absolute http or https URL of its page" },
    Rule { number: 33, refused_by: POLICY, finding: "an app event needs its app id" },
    Rule { number: 34, refused_by: POLICY, finding: "a CRM event needs its lead id" },
    Rule { number: 35, refused_by: DOCUMENTED, finding: "an object is something else" },
    Rule { number: 36, refused_by: DOCUMENTED, finding: "an identifier is neither a string nor a list of strings" },
    Rule { number: 37, refused_by: POLICY, finding: "an identifier is not a SHA-256 digest" },
    Rule { number: 38, refused_by: POLICY, finding: "an identifier is in plain text" },
    Rule { number: 39, refused_by: ADVICE, finding: "a digest is in upper case" },
    Rule { number: 40, refused_by: ADVICE, finding: "a digest is the digest of an empty text" },
    Rule { number: 41, refused_by: POLICY, finding: "an identifier is an MD5 or SHA-1 digest" },
    Rule { number: 42, refused_by: ADVICE, finding: "the IP address is not a public one" },
    Rule { number: 43, refused_by: ADVICE, finding: "a field that goes out in plain form looks hashed" },
    Rule { number: 44, refused_by: ADVICE, finding: "IP address and user agent match only together" },
    Rule { number: 45, refused_by: ADVICE, finding: "a name or postal code is not hashed, or a place is" },
    Rule { number: 46, refused_by: ADVICE, finding: "the field is not part of this source's events" },
    Rule {
        number: 47,
        refused_by: ADVICE,
        finding: "an advertising id or tracking status is not in its documented form",
    },
    Rule { number: 48, refused_by: DOCUMENTED, finding: "an amount is not a number" },
    Rule { number: 49, refused_by: POLICY, finding: "an amount is negative" },
    Rule { number: 50, refused_by: POLICY, finding: "the currency is not three upper-case letters" },
    Rule { number: 51, refused_by: ADVICE, finding: "the currency is not among those TikTok lists" },
    Rule { number: 52, refused_by: ADVICE, finding: "value and currency belong together, and a purchase needs both" },
    Rule { number: 53, refused_by: DOCUMENTED, finding: "a list is something else" },
    Rule { number: 54, refused_by: OBSERVED, finding: "a text of an item is not a string" },
    Rule { number: 55, refused_by: OBSERVED, finding: "price or quantity of an item is not a number that fits" },
    Rule { number: 56, refused_by: ADVICE, finding: "the items do not add up to the value" },
    Rule { number: 57, refused_by: POLICY, finding: "the content type is not a documented one" },
    Rule { number: 58, refused_by: ADVICE, finding: "items come without a content type" },
    Rule { number: 59, refused_by: DOCUMENTED, finding: "a field has the wrong type" },
    Rule { number: 60, refused_by: ADVICE, finding: "the event channel is not one of its six values" },
    Rule { number: 61, refused_by: ADVICE, finding: "the value is not a documented one, or not for this source" },
    Rule { number: 62, refused_by: DOCUMENTED, finding: "a flag is neither true nor false" },
    Rule { number: 63, refused_by: ADVICE, finding: "limited data use has no effect for this source" },
    Rule { number: 64, refused_by: ADVICE, finding: "limited data use needs the person's public IP address" },
    Rule { number: 65, refused_by: ADVICE, finding: "an attribution field is out of range or not for this source" },
    Rule { number: 66, refused_by: ADVICE, finding: "the same event and event id twice in one request" },
    Rule { number: 67, refused_by: ADVICE, finding: "the key, or its type, is not documented" },
    Rule { number: 68, refused_by: ADVICE, finding: "a null: leave the key out instead" },
];

/// The rule of this number.
pub(crate) fn rule(number: u8) -> &'static Rule {
    RULES.iter().find(|rule| rule.number == number).expect("only numbers of the table are ever asked for")
}

/// Response codes the sandbox answers with, as in the contract's catalogue.
pub(crate) mod code {
    pub(crate) const OK: i64 = 0;
    pub(crate) const PARAMETERS: i64 = 40_000;
    pub(crate) const PARAMETER: i64 = 40_002;
    pub(crate) const TOO_FREQUENT: i64 = 40_100;
    pub(crate) const TOKEN_EMPTY: i64 = 40_104;
    pub(crate) const TOKEN_INVALID: i64 = 40_105;
}

/// Messages quoted from real responses (events-api.md 6.3).
pub(crate) mod message {
    pub(crate) const OK: &str = "OK";
    pub(crate) const TOKEN_EMPTY: &str =
        "Access token is null, you should set it in http header with key Access-Token.";
    pub(crate) const TOKEN_INVALID: &str = "Access token is incorrect or has been revoked.";
    pub(crate) const TOO_FREQUENT: &str = "Too many requests. Please retry in some time.";
    pub(crate) const QPS: &str = "App reaches the QPS limit.";
    pub(crate) const RESTRICTED: &str = "Due to too many requests, requests from App are temporarily restricted.";
    pub(crate) const PIXEL_QPS: &str = "The request QPS is limited by pixel_code's value.";
    pub(crate) const PERMISSION: &str = "No permission to operate pixel code. You must be an admin or operator of \
        this advertiser account.";
    pub(crate) const SOURCE: &str = "must be web, app or offline";
    pub(crate) const TEXT: &str = "not a valid string";
    pub(crate) const APP_PRICE: &str = "Invalid Price Field";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_order_and_once_each() {
        assert!(RULES.windows(2).all(|pair| pair[0].number < pair[1].number));
    }

    #[test]
    fn a_stricter_profile_refuses_whatever_a_laxer_one_does() {
        for rule in RULES {
            if Profile::Observed.refuses(rule.number) {
                assert!(Profile::Documented.refuses(rule.number), "R{}", rule.number);
            }
            if Profile::Documented.refuses(rule.number) {
                assert!(Profile::Strict.refuses(rule.number), "R{}", rule.number);
                assert!(Profile::Amperity.refuses(rule.number), "R{}", rule.number);
            }
        }
    }

    #[test]
    fn every_profile_is_read_back_from_its_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.as_str()), Some(profile));
        }
        assert_eq!(Profile::parse("lenient"), None);
    }
}
