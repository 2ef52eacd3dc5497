//! Event names: the standard ones per event source, the old and the reserved ones, and what custom names may be.
//!
//! Names are case-sensitive. A name outside the lists is a custom event on web and app, free text on crm, and refused
//! on offline. A standard name in the wrong case becomes a custom event without a word from TikTok, which nobody wants:
//! [`judge`] finds those, and near misses too.

use super::{Citation, EventSource, MAX_CUSTOM_NAME};

/// Standard events of web, offline and crm.
pub const STANDARD: [&str; 18] = [
    "AddPaymentInfo",
    "AddToCart",
    "AddToWishlist",
    "ApplicationApproval",
    "CompleteRegistration",
    "Contact",
    "CustomizeProduct",
    "Download",
    "FindLocation",
    "InitiateCheckout",
    "Lead",
    "Purchase",
    "Schedule",
    "Search",
    "StartTrial",
    "SubmitApplication",
    "Subscribe",
    "ViewContent",
];

/// Standard events of apps.
pub const APP_STANDARD: [&str; 27] = [
    "AchieveLevel",
    "AddPaymentInfo",
    "AddToCart",
    "AddToWishlist",
    "Checkout",
    "CompleteTutorial",
    "CreateGroup",
    "CreateRole",
    "GenerateLead",
    "InAppADClick",
    "InAppADImpr",
    "InstallApp",
    "JoinGroup",
    "LaunchAPP",
    "LoanApplication",
    "LoanApproval",
    "LoanDisbursal",
    "Login",
    "Purchase",
    "Rate",
    "Registration",
    "Search",
    "SpendCredits",
    "StartTrial",
    "Subscribe",
    "UnlockAchievement",
    "ViewContent",
];

/// The twelve standard events that TikTok's help page names for offline event sets.
pub const OFFLINE_LISTED: [&str; 12] = [
    "AddPaymentInfo",
    "AddToCart",
    "AddToWishlist",
    "CompleteRegistration",
    "Contact",
    "Download",
    "InitiateCheckout",
    "Lead",
    "Purchase",
    "Search",
    "Subscribe",
    "ViewContent",
];

/// Page views: not a standard event, and two spellings are in use.
pub const PAGE_VIEWS: [&str; 2] = ["PageView", "Pageview"];

/// An event name of an older generation, which TikTok still takes.
#[derive(Clone, Copy, Debug)]
pub struct Legacy {
    /// The old name.
    pub name: &'static str,
    /// The name that replaced it, if one did.
    pub now: Option<&'static str>,
    /// What is to become of it, for people.
    pub fate: &'static str,
}

/// Every old name. Those with a new one are the same event as the new one.
pub const LEGACY: [Legacy; 4] = [
    Legacy { name: "CompletePayment", now: Some("Purchase"), fate: "renamed 2025-05-01, the old name keeps working" },
    Legacy { name: "SubmitForm", now: Some("Lead"), fate: "renamed 2025-05-01, the old name keeps working" },
    Legacy { name: "PlaceAnOrder", now: None, fate: "supported until 2027, use Purchase" },
    Legacy { name: "ClickButton", now: None, fate: "supported until 2027" },
];

/// Names that TikTok turns into another event: the name, and what it becomes.
pub const RESERVED: [(&str, &str); 13] = [
    ("AddBilling", "AddPaymentInfo"),
    ("Browse", "PageView"),
    ("Checkout", "PlaceAnOrder"),
    ("ClickForm", "Lead"),
    ("ClickInDownloadPage", "ClickButton"),
    ("ClickToDownload", "Download"),
    ("Consult", "Contact"),
    ("ConsultByPhone", "Contact"),
    ("Registration", "CompleteRegistration"),
    ("StartCheckout", "InitiateCheckout"),
    ("ViewConsultationPage", "ViewContent"),
    ("ViewDownloadPage", "ViewContent"),
    ("ViewForm", "ViewContent"),
];

/// Regular expression of a custom name on web and app; [`MAX_CUSTOM_NAME`] limits its length.
pub const CUSTOM_NAME_PATTERN: &str = "^[A-Za-z][A-Za-z0-9_-]*$";

/// Source of [`STANDARD`].
pub const STANDARD_CITATION: Citation = Citation::certain("D2, H5 (R17)");
/// Source of [`APP_STANDARD`].
pub const APP_STANDARD_CITATION: Citation = Citation::certain("P1, D2");
/// Source of [`OFFLINE_LISTED`].
pub const OFFLINE_LISTED_CITATION: Citation = Citation::certain("H6 (R18)");
/// Source of [`LEGACY`].
pub const LEGACY_CITATION: Citation = Citation::certain("H4, H3 (R21)");
/// Source of [`RESERVED`].
pub const RESERVED_CITATION: Citation = Citation::certain("H3 (R20)");
/// Source of [`rule`].
pub const RULE_CITATION: Citation = Citation::certain("D1, H2, H8 (R17, R19, R22)");

/// Which names an event source takes beside its standard and the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// None.
    Listed,
    /// Custom names that match [`CUSTOM_NAME_PATTERN`] and are no longer than [`MAX_CUSTOM_NAME`].
    WellFormed,
    /// Any text that is not blank.
    Free,
}

/// What an event name is for an event source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A standard event.
    Standard,
    /// An old name, still accepted.
    Legacy {
        /// The name to use instead, if there is one.
        now: Option<&'static str>,
    },
    /// Accepted, and turned into another event by TikTok.
    Reserved {
        /// What TikTok turns it into.
        becomes: &'static str,
    },
    /// Accepted as a custom event.
    Custom,
    /// A known name except for its case, or, where custom names are allowed, a near miss. Offline refuses it; the other
    /// sources take it as a custom event, which is hardly what was meant.
    Misspelt {
        /// The name that was probably meant.
        suggestion: &'static str,
    },
    /// Refused.
    NotAllowed {
        /// The name that was probably meant, if one is near.
        suggestion: Option<&'static str>,
    },
}

/// The standard events of `source`.
#[must_use]
pub const fn standard(source: EventSource) -> &'static [&'static str] {
    match source {
        EventSource::App => &APP_STANDARD,
        EventSource::Offline | EventSource::Web | EventSource::Crm => &STANDARD,
    }
}

/// Which names `source` takes beside its standard and the old ones.
#[must_use]
pub const fn rule(source: EventSource) -> NameRule {
    match source {
        EventSource::Offline => NameRule::Listed,
        EventSource::Web | EventSource::App => NameRule::WellFormed,
        EventSource::Crm => NameRule::Free,
    }
}

/// The name under which an event is counted: that of its successor for a renamed event, else `name` itself.
#[must_use]
pub fn canonical(name: &str) -> &str {
    legacy(name).and_then(|legacy| legacy.now).unwrap_or(name)
}

/// The canonical name of a standard or old event, whatever its case and the blanks around it.
#[must_use]
pub fn repair(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let standard = STANDARD.into_iter().chain(APP_STANDARD);
    standard.chain(LEGACY.map(|legacy| legacy.name)).find(|name| name.eq_ignore_ascii_case(text)).map(canonical)
}

/// Whether TikTok's help page names the event, or its successor, for offline event sets.
#[must_use]
pub fn is_listed_offline(name: &str) -> bool {
    OFFLINE_LISTED.contains(&canonical(name))
}

/// Whether events of `source` may carry `name`; without a source, whether it is a standard or old name of any.
#[must_use]
pub fn is_event_name(name: &str, source: Option<EventSource>) -> bool {
    let Some(source) = source else {
        return STANDARD.contains(&name) || APP_STANDARD.contains(&name) || legacy(name).is_some();
    };
    match judge(name, source) {
        Verdict::Standard | Verdict::Legacy { .. } | Verdict::Reserved { .. } | Verdict::Custom => true,
        Verdict::Misspelt { .. } => rule(source) != NameRule::Listed,
        Verdict::NotAllowed { .. } => false,
    }
}

/// What `name` is for `source`. A name outside the lists is compared with all of them, so judge a name that repeats
/// over many rows once.
#[must_use]
pub fn judge(name: &str, source: EventSource) -> Verdict {
    if standard(source).contains(&name) {
        return Verdict::Standard;
    }
    if let Some(legacy) = legacy(name) {
        // Renames hold for web, offline and crm; an app event is worth a word only if the new name is one of its own.
        let now = legacy.now.filter(|now| standard(source).contains(now));
        if source != EventSource::App || now.is_some() {
            return Verdict::Legacy { now };
        }
    }
    match rule(source) {
        NameRule::Listed => judge_listed(name),
        NameRule::WellFormed => judge_custom(name, source),
        NameRule::Free if name.trim().is_empty() => Verdict::NotAllowed { suggestion: None },
        NameRule::Free => in_other_case(name, source).map_or(Verdict::Custom, misspelt),
    }
}

fn judge_listed(name: &str) -> Verdict {
    let source = EventSource::Offline;
    if let Some(suggestion) = in_other_case(name, source) {
        return misspelt(suggestion);
    }
    let reserved = RESERVED.iter().find(|(reserved, _)| name.eq_ignore_ascii_case(reserved));
    let suggestion = match reserved {
        Some((_, becomes)) => STANDARD.contains(becomes).then_some(*becomes),
        None => nearest(name, source, 3),
    };
    Verdict::NotAllowed { suggestion }
}

fn judge_custom(name: &str, source: EventSource) -> Verdict {
    if !is_well_formed(name) {
        let suggestion = in_other_case(name.trim(), source).or_else(|| nearest(name, source, 3));
        return Verdict::NotAllowed { suggestion };
    }
    if PAGE_VIEWS.contains(&name) {
        return Verdict::Custom;
    }
    let converts = |becomes: &str| source == EventSource::Web || standard(source).contains(&becomes);
    let reserved = RESERVED.iter().find(|(reserved, becomes)| name.eq_ignore_ascii_case(reserved) && converts(becomes));
    if let Some((reserved, becomes)) = reserved.filter(|_| in_other_case(name, source).is_none()) {
        return if name == *reserved { Verdict::Reserved { becomes } } else { misspelt(reserved) };
    }
    let has_digit = name.bytes().any(|byte| byte.is_ascii_digit());
    let near = || if has_digit { None } else { nearest(name, source, 5) };
    in_other_case(name, source).or_else(near).map_or(Verdict::Custom, misspelt)
}

const fn misspelt(suggestion: &'static str) -> Verdict {
    Verdict::Misspelt { suggestion }
}

/// Whether `name` can be a custom event: what [`CUSTOM_NAME_PATTERN`] and [`MAX_CUSTOM_NAME`] say.
fn is_well_formed(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.len() as u64 <= MAX_CUSTOM_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(rest)
}

fn legacy(name: &str) -> Option<&'static Legacy> {
    LEGACY.iter().find(|legacy| legacy.name == name)
}

/// Names worth suggesting to a user of `source`, old ones as what they are now.
fn suggestions(source: EventSource) -> impl Iterator<Item = (&'static str, &'static str)> {
    let old = LEGACY.iter().filter(move |_| source != EventSource::App);
    let pages = PAGE_VIEWS.iter().take(usize::from(source == EventSource::Web));
    let standard = standard(source).iter().chain(pages).map(|name| (*name, *name));
    standard.chain(old.map(|legacy| (legacy.name, legacy.now.unwrap_or(legacy.name))))
}

fn in_other_case(name: &str, source: EventSource) -> Option<&'static str> {
    suggestions(source).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, suggestion)| suggestion)
}

/// The known name nearest to `name`, letters and digits only, with at most one edit per `letters_per_edit` letters.
fn nearest(name: &str, source: EventSource, letters_per_edit: usize) -> Option<&'static str> {
    const MAX_EDITS: usize = 3;
    if name.len() as u64 > MAX_CUSTOM_NAME {
        return None;
    }
    let fold = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let name = fold(name);
    let limit = (name.len() / letters_per_edit).min(MAX_EDITS);
    suggestions(source)
        .filter(|(known, _)| known.len().abs_diff(name.len()) <= limit)
        .map(|(known, suggestion)| (strsim::osa_distance(&fold(known), &name), suggestion))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, suggestion)| suggestion)
}

#[cfg(test)]
mod tests {
    use super::EventSource::{App, Crm, Offline, Web};
    use super::*;

    fn not_allowed(suggestion: &'static str) -> Verdict {
        Verdict::NotAllowed { suggestion: Some(suggestion) }
    }

    const REFUSED: Verdict = Verdict::NotAllowed { suggestion: None };

    #[test]
    fn standard_names_are_standard_on_their_source_only() {
        for name in STANDARD {
            for source in [Offline, Web, Crm] {
                assert_eq!(judge(name, source), Verdict::Standard, "{name} {source}");
            }
        }
        assert!(APP_STANDARD.iter().all(|name| judge(name, App) == Verdict::Standard));
        assert_eq!(judge("Login", Offline), REFUSED);
        assert_eq!(judge("Login", Web), Verdict::Custom);
        assert_eq!(judge("Schedule", App), Verdict::Custom);
    }

    #[test]
    fn lists_hold_together() {
        assert!(OFFLINE_LISTED.iter().all(|name| STANDARD.contains(name)));
        assert!(STANDARD.is_sorted() && APP_STANDARD.is_sorted() && OFFLINE_LISTED.is_sorted());
        assert!(LEGACY.iter().all(|legacy| legacy.now.is_none_or(|now| STANDARD.contains(&now))));
        assert!(RESERVED.iter().all(|(name, _)| !STANDARD.contains(name) && legacy(name).is_none()));
        assert!(is_listed_offline("SubmitForm") && is_listed_offline("Purchase") && !is_listed_offline("Schedule"));
    }

    #[test]
    fn old_names_are_accepted_and_name_their_successor() {
        for source in [Offline, Web, Crm, App] {
            assert_eq!(judge("CompletePayment", source), Verdict::Legacy { now: Some("Purchase") });
        }
        assert_eq!(judge("SubmitForm", Offline), Verdict::Legacy { now: Some("Lead") });
        assert_eq!(judge("PlaceAnOrder", Offline), Verdict::Legacy { now: None });
        assert_eq!(judge("SubmitForm", App), Verdict::Custom);
    }

    #[test]
    fn offline_takes_no_custom_name() {
        assert_eq!(judge("purchase", Offline), misspelt("Purchase"));
        assert_eq!(judge("completepayment", Offline), misspelt("Purchase"));
        assert_eq!(judge("Purchse", Offline), not_allowed("Purchase"));
        assert_eq!(judge("add_to_cart", Offline), not_allowed("AddToCart"));
        assert_eq!(judge(" Purchase ", Offline), not_allowed("Purchase"));
        assert_eq!(judge("StartCheckout", Offline), not_allowed("InitiateCheckout"));
        for name in ["StoreVisit", "Browse", "", "  ", "Купил"] {
            assert_eq!(judge(name, Offline), REFUSED, "{name}");
        }
    }

    #[test]
    fn web_takes_well_formed_custom_names_and_flags_near_misses() {
        for name in ["StoreVisit", "quiz_step-2", "x", "PageView", "Pageview", "AddToCart2"] {
            assert_eq!(judge(name, Web), Verdict::Custom, "{name}");
        }
        assert_eq!(judge("purchase", Web), misspelt("Purchase"));
        assert_eq!(judge("add_to_cart", Web), misspelt("AddToCart"));
        assert_eq!(judge("StartTrail", Web), misspelt("StartTrial"));
        assert_eq!(judge("pageview", Web), misspelt("PageView"));
        assert_eq!(judge("Checkout", Web), Verdict::Reserved { becomes: "PlaceAnOrder" });
        assert_eq!(judge("checkout", Web), misspelt("Checkout"));
        assert_eq!(judge("checkout", App), misspelt("Checkout"));
        assert_eq!(judge("Purchase ", Web), not_allowed("Purchase"));
        for name in ["2nd_visit", "has blank inside", "_x", "", "größe"] {
            assert_eq!(judge(name, Web), REFUSED, "{name}");
        }
        assert_eq!(judge(&"a".repeat(50), Web), Verdict::Custom);
        assert_eq!(judge(&"a".repeat(51), Web), REFUSED);
    }

    #[test]
    fn crm_takes_any_text() {
        for name in ["Qualified", "Marketing qualified lead", "商谈", "Registration", "Leads"] {
            assert_eq!(judge(name, Crm), Verdict::Custom, "{name}");
        }
        assert_eq!(judge("lead", Crm), misspelt("Lead"));
        assert_eq!(judge(" ", Crm), REFUSED);
    }

    #[test]
    fn repairs_case_and_old_names() {
        for text in ["purchase", "Purchase", "CompletePayment", " COMPLETEPAYMENT"] {
            assert_eq!(repair(text), Some("Purchase"), "{text}");
        }
        assert_eq!(repair("submitform"), Some("Lead"));
        assert_eq!(repair("placeanorder"), Some("PlaceAnOrder"));
        assert_eq!(repair("launchapp"), Some("LaunchAPP"));
        assert_eq!(repair("purchased"), None);
        assert_eq!(canonical("CompletePayment"), "Purchase");
        assert_eq!(canonical("completepayment"), "completepayment");
    }

    #[test]
    fn is_event_name_asks_for_what_the_source_takes() {
        assert!(!is_event_name("purchase", Some(Offline)) && is_event_name("CompletePayment", Some(Offline)));
        assert!(is_event_name("QuizDone", Some(Web)) && !is_event_name("Quiz done", Some(Web)));
        assert!(is_event_name("Quiz done", Some(Crm)) && !is_event_name("QuizDone", Some(Offline)));
        assert!(is_event_name("Login", None) && is_event_name("SubmitForm", None));
        assert!(!is_event_name("QuizDone", None) && !is_event_name("purchase", None));
    }
}
