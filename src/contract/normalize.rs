//! Canonical forms of identifiers, and the SHA-256 digests the Events API takes in their place.
//!
//! An identifier only matches when both sides hash the same bytes, so each rule here is the contract's (R37 to R45)
//! and nothing more: no dots or `+tags` leave an e-mail address, no accent leaves a name. A value that is a digest
//! already passes through in lower case; one that cannot be brought into form gives a [`Fault`], never a digest of junk.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::phone::{self, Region};

/// Bytes of an e-mail address, by RFC 5321.
const MAX_EMAIL: usize = 254;
/// Bytes before the `@`.
const MAX_LOCAL_PART: usize = 64;
/// Bytes between two dots of a domain.
const MAX_LABEL: usize = 63;
/// Hex digits of the two weaker digests that people upload by mistake.
const MD5_DIGITS: usize = 32;
const SHA1_DIGITS: usize = 40;
/// Characters of a digest in Base64, padding included.
const SHA256_BASE64: usize = 44;
const SHA1_BASE64: usize = 28;
const MD5_BASE64: usize = 24;
/// Characters of an event id that postback derives.
const EVENT_ID_DIGITS: usize = 32;
/// SHA-256 of no bytes at all: what hashing an empty column gives.
const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The two-letter codes of ISO 3166-1, and `xk`, which everyone uses for Kosovo.
const COUNTRIES: &str = "ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs \
    bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi \
    fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir \
    is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm \
    mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt \
    pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm \
    tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw";

/// SHA-256 of an identifier, as 64 lower-case hex digits. Still personal data, so that it does not print.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 64]);

impl Digest {
    /// The digest of exactly these bytes; nothing is trimmed or case-folded.
    #[must_use]
    pub fn of(text: &str) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(Sha256::digest(text)) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(digits)
    }

    /// The digest these 64 hex digits of any case spell.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: [u8; 64] = text.as_bytes().try_into().ok()?;
        is_hex(text).then(|| Self(digits.map(|digit| digit.to_ascii_lowercase())))
    }

    /// The 64 digits.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "both constructors write hex digits only")]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("a digest consists of hex digits")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a value has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing but white space or punctuation.
    Blank,
    /// Not an e-mail address.
    NotAnEmail,
    /// Not a phone number that exists.
    NotAPhone,
    /// A phone number without a country calling code, and no region to read it in.
    NoRegion,
    /// 32 hex digits where a raw value or a SHA-256 digest belongs.
    Md5,
    /// 40 hex digits where a raw value or a SHA-256 digest belongs.
    Sha1,
    /// The SHA-256 digest of the empty string.
    EmptyDigest,
    /// A SHA-256 digest in Base64 where hex digits belong.
    Base64Sha256,
    /// An MD5 digest in Base64 where a raw value or a SHA-256 digest belongs.
    Base64Md5,
    /// A SHA-1 digest in Base64 where a raw value or a SHA-256 digest belongs.
    Base64Sha1,
    /// A phone number that a program took for a quantity and wrote as one.
    Quantity,
    /// Not a city or state in plain form.
    NotAPlace,
    /// Not a two-letter country code.
    NotACountry,
}

impl Fault {
    /// The fault in words that continue "the value is …".
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::NotAnEmail => "not an e-mail address",
            Self::NotAPhone => "not a valid phone number",
            Self::NoRegion => "a phone number without `+` and country code, and no region is set",
            Self::Md5 => "an MD5 digest, not SHA-256",
            Self::Sha1 => "a SHA-1 digest, not SHA-256",
            Self::EmptyDigest => "the SHA-256 digest of the empty string",
            Self::Base64Sha256 => "a SHA-256 digest in Base64, not in hex digits",
            Self::Base64Md5 => "an MD5 digest in Base64, not SHA-256",
            Self::Base64Sha1 => "a SHA-1 digest in Base64, not SHA-256",
            Self::Quantity => "a phone number written as a quantity, such as `1.2E+10` or `12065550100.0`",
            Self::NotAPlace => "not a place name in plain text",
            Self::NotACountry => "not a two-letter ISO 3166-1 country code",
        }
    }
}

/// An e-mail address, trimmed and in lower case; borrowed when it is a part of `text` as it stands.
///
/// Accepts what delivers in practice, international addresses included: one `@`, at most 64 bytes before it, a domain
/// of two labels or more behind it, no white space, 254 bytes in all.
///
/// # Errors
/// [`Fault::Blank`], [`Fault::NotAnEmail`].
pub fn email(text: &str) -> Result<Cow<'_, str>, Fault> {
    let trimmed = trim(text)?;
    let lower = if trimmed.is_ascii() && !trimmed.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Borrowed(trimmed)
    } else {
        Cow::Owned(trimmed.to_lowercase())
    };
    if !is_email(&lower) {
        return Err(Fault::NotAnEmail);
    }
    Ok(if lower == trimmed { Cow::Borrowed(trimmed) } else { lower })
}

/// The digest of [`email`].
///
/// # Errors
/// Those of [`email`], and [`Fault::Md5`], [`Fault::Sha1`], [`Fault::EmptyDigest`] and those in Base64 for digests that
/// identify nobody.
pub fn email_digest(text: &str) -> Result<Digest, Fault> {
    hashed(text, |text| email(text).map(|address| Digest::of(&address)))
}

/// The digest of [`phone::e164`], leading `+` included. `region` is for numbers without a country calling code.
///
/// # Errors
/// Those of [`phone::e164`], and [`Fault::Md5`], [`Fault::Sha1`], [`Fault::EmptyDigest`] as in [`email_digest`].
pub fn phone_digest(text: &str, region: Option<Region>) -> Result<Digest, Fault> {
    hashed(text, |text| phone::e164(text, region).map(|number| Digest::of(&number)))
}

/// The digest of [`phone::possible`], leading `+` included.
#[must_use]
pub fn possible_phone_digest(text: &str) -> Option<Digest> {
    phone::possible(text).map(|number| Digest::of(&number))
}

/// The digest of a customer id, trimmed and with its case kept.
///
/// 32 or 40 hex digits are ids like any other here: UUIDs without hyphens look like that.
///
/// # Errors
/// [`Fault::Blank`], [`Fault::EmptyDigest`].
pub fn external_id_digest(text: &str) -> Result<Digest, Fault> {
    let trimmed = trim(text)?;
    sha256(trimmed).unwrap_or_else(|| Ok(Digest::of(trimmed)))
}

/// The digest of a first or last name in lower case without punctuation and white space; accents stay.
///
/// # Errors
/// [`Fault::Blank`], and [`Fault::Md5`], [`Fault::Sha1`], [`Fault::EmptyDigest`] as in [`email_digest`].
pub fn person_name_digest(text: &str) -> Result<Digest, Fault> {
    hashed(text, |text| {
        let name = text.chars().filter(|&c| !is_blank(c) && !is_punctuation(c)).collect::<String>().to_lowercase();
        if name.is_empty() { Err(Fault::Blank) } else { Ok(Digest::of(&name)) }
    })
}

/// The digest of a postal code in lower case without blanks and hyphens; of a US ZIP+4 code (`90210-1234`) the first
/// five digits.
///
/// # Errors
/// [`Fault::Blank`], and [`Fault::Md5`], [`Fault::Sha1`], [`Fault::EmptyDigest`] as in [`email_digest`].
pub fn zip_code_digest(text: &str) -> Result<Digest, Fault> {
    hashed(text, |text| {
        let code = if is_zip_plus_four(text) { &text[..5] } else { text };
        let code = code.chars().filter(|&c| !is_blank(c) && !is_hyphen(c)).collect::<String>().to_lowercase();
        if code.is_empty() { Err(Fault::Blank) } else { Ok(Digest::of(&code)) }
    })
}

/// A city or state as plain lower-case letters and digits.
///
/// # Errors
/// [`Fault::Blank`], and [`Fault::NotAPlace`] for a digest or text without a letter or digit.
pub fn place(text: &str) -> Result<String, Fault> {
    let trimmed = trim(text)?;
    let place = trimmed.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    if place.is_empty() || Digest::from_hex(trimmed).is_some() { Err(Fault::NotAPlace) } else { Ok(place) }
}

/// A country as its two-letter ISO 3166-1 code in lower case.
///
/// # Errors
/// [`Fault::Blank`], [`Fault::NotACountry`].
pub fn country(text: &str) -> Result<String, Fault> {
    let code = trim(text)?.to_ascii_lowercase();
    if COUNTRIES.split(' ').any(|known| known == code) { Ok(code) } else { Err(Fault::NotACountry) }
}

/// A de-duplication id made of `parts`: the first 32 hex digits of SHA-256 over them as netstrings (`4:4711,`), so
/// that no two lists of parts run together.
#[must_use]
pub fn event_id<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut netstrings = String::new();
    for part in parts {
        netstrings.push_str(&part.len().to_string());
        netstrings.push(':');
        netstrings.push_str(part);
        netstrings.push(',');
    }
    Digest::of(&netstrings).as_str()[..EVENT_ID_DIGITS].to_owned()
}

/// Lets a SHA-256 digest through, stops the other kinds, and hands everything else to `raw`, trimmed.
fn hashed(text: &str, raw: impl FnOnce(&str) -> Result<Digest, Fault>) -> Result<Digest, Fault> {
    let trimmed = trim(text)?;
    match (sha256(trimmed), trimmed.len()) {
        (Some(digest), _) => digest,
        (None, MD5_DIGITS) if is_hex(trimmed) => Err(Fault::Md5),
        (None, SHA1_DIGITS) if is_hex(trimmed) => Err(Fault::Sha1),
        (None, SHA256_BASE64) if is_base64(trimmed, 1) => Err(Fault::Base64Sha256),
        (None, SHA1_BASE64) if is_base64(trimmed, 1) => Err(Fault::Base64Sha1),
        (None, MD5_BASE64) if is_base64(trimmed, 2) => Err(Fault::Base64Md5),
        _ => raw(trimmed),
    }
}

/// The digest that `trimmed` spells, if it spells one.
fn sha256(trimmed: &str) -> Option<Result<Digest, Fault>> {
    let digest = Digest::from_hex(trimmed)?;
    Some(if digest.as_str() == EMPTY_DIGEST { Err(Fault::EmptyDigest) } else { Ok(digest) })
}

fn trim(text: &str) -> Result<&str, Fault> {
    let trimmed = text.trim_matches(is_blank);
    if trimmed.is_empty() { Err(Fault::Blank) } else { Ok(trimmed) }
}

/// White space, control characters, and those that take no room: what spreadsheets and web pages leave around a value.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{AD}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}')
}

/// ASCII punctuation and symbols, and the punctuation of the scripts that names come in.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c,
            '\u{A1}'..='\u{A9}' | '\u{AB}'..='\u{B1}' | '\u{B4}' | '\u{B6}'..='\u{B8}' | '\u{BB}' | '\u{BF}' // Latin-1
            | '\u{55A}'..='\u{55F}' | '\u{58A}' // Armenian
            | '\u{5BE}' | '\u{5F3}' | '\u{5F4}' // Hebrew
            | '\u{60C}' | '\u{61B}' | '\u{61F}' | '\u{66A}'..='\u{66D}' | '\u{6D4}' // Arabic
            | '\u{964}' | '\u{965}' | '\u{970}' // Devanagari
            | '\u{2010}'..='\u{205E}' | '\u{2E00}'..='\u{2E7F}' // general
            | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3020}' | '\u{3030}' | '\u{303D}' | '\u{30A0}' | '\u{30FB}' // CJK
            | '\u{FE10}'..='\u{FE19}' | '\u{FE30}'..='\u{FE6B}'
            | '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}' | '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}')
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether `text` is Base64 of either alphabet that ends in exactly `padding` equals signs.
fn is_base64(text: &str, padding: usize) -> bool {
    let body = text.trim_end_matches('=');
    text.len() - body.len() == padding
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte))
}

fn is_zip_plus_four(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| if at == 5 { *byte == b'-' } else { byte.is_ascii_digit() })
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= MAX_EMAIL
        && (1..=MAX_LOCAL_PART).contains(&local.len())
        && !local
            .contains(|c| is_blank(c) || matches!(c, '"' | '(' | ')' | ',' | ':' | ';' | '<' | '>' | '[' | '\\' | ']'))
        && is_domain(domain)
}

/// Two labels or more, of letters, digits and inner hyphens, the last no number: an address, not a host in a network.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii() && !is_blank(c) && !is_punctuation(c))
    };
    text.rsplit_once('.').is_some_and(|(_, last)| last.len() > 1 && !last.bytes().all(|byte| byte.is_ascii_digit()))
        && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(result: Result<Digest, Fault>) -> Result<String, Fault> {
        result.map(|digest| digest.as_str().to_owned())
    }

    #[test]
    fn published_vectors_hold() {
        let us = Region::parse("US");
        for (digest, expected) in [
            (email_digest(" ALICE_abc@gmail.com "), "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"),
            (phone_digest("(+1)2133734253", None), "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd"),
            (phone_digest("213-373-4253", us), "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd"),
            (external_id_digest("user_123"), "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b"),
            (email_digest("Pat.Lee@Example.com"), "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26"),
            (
                phone_digest("+44 20 7183 8750", None),
                "e631c2534428c6c9b48c2167604a8983046085e43a2c00ed748733c544c0bb4d",
            ),
        ] {
            assert_eq!(hex(digest).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn addresses_that_deliver_are_accepted_in_lower_case() {
        for (text, expected) in [
            ("a@b.co", "a@b.co"),
            ("\u{feff}\u{a0}Pat.Lee+news@Example.COM\u{200b}\r\n", "pat.lee+news@example.com"),
            ("JOSÉ@CORREO.ES", "josé@correo.es"),
            ("Ιωάννης@Παράδειγμα.ΕΛ", "ιωάννης@παράδειγμα.ελ"),
            ("उपयोगकर्ता@उदाहरण.भारत", "उपयोगकर्ता@उदाहरण.भारत"),
            ("用户@例え.jp", "用户@例え.jp"),
            ("o'neil/x=y@sub.xn--bcher-kva.example", "o'neil/x=y@sub.xn--bcher-kva.example"),
            ("old..style.@docomo.ne.jp", "old..style.@docomo.ne.jp"),
        ] {
            assert_eq!(email(text).as_deref(), Ok(expected));
        }
        assert!(matches!(email(" a@b.co"), Ok(Cow::Borrowed("a@b.co"))));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@b.co", "a".repeat(65));
        let long_label = format!("a@{}.co", "b".repeat(64));
        let long = format!("a@{}co", "b.".repeat(126));
        for text in [
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a@@b.co",
            "a@b@c.co",
            "a b@c.co",
            "a@b .co",
            "a@b..co",
            "a@.b.co",
            "a@b.co.",
            "a@-b.co",
            "a@b-.co",
            "a@b_c.co",
            "a@127.0.0.1",
            "a@b.c",
            "<a@b.co>",
            "a@b.co,c@d.co",
            "mailto:a@b.co",
            "a\u{200b}@b.co",
            "n/a",
            &long_local,
            &long_label,
            &long,
        ] {
            assert_eq!(email(text), Err(Fault::NotAnEmail), "{text}");
        }
        assert_eq!(email(" \u{feff}"), Err(Fault::Blank));
    }

    #[test]
    fn digests_pass_through_and_the_wrong_ones_are_named() {
        let digest = Digest::of("pat.lee@example.com");
        let shouted = format!(" {} ", digest.as_str().to_uppercase());
        let every = |text: &str| {
            [email_digest(text), phone_digest(text, None), person_name_digest(text), zip_code_digest(text)]
        };
        assert_eq!(every(&shouted), [Ok(digest); 4]);
        assert_eq!(external_id_digest(&shouted), Ok(digest));
        assert_eq!(every(EMPTY_DIGEST), [Err(Fault::EmptyDigest); 4]);
        assert_eq!(external_id_digest(EMPTY_DIGEST), Err(Fault::EmptyDigest));
        assert_eq!(every("d41d8cd98f00b204e9800998ecf8427e"), [Err(Fault::Md5); 4]);
        assert_eq!(every("DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"), [Err(Fault::Sha1); 4]);
        assert_eq!(every("+L4Vid7lyjyhw68eKu1NOz8xBphcUWMTUz7PA0w+wsY="), [Err(Fault::Base64Sha256); 4]);
        assert_eq!(every("+L4Vid7lyjyhw68eKu1NOz8xBphcUWMTUz7PA0w-wsY="), [Err(Fault::Base64Sha256); 4]);
        assert_eq!(every("2jmj7l5rSw0yVb/vlWAYkK/YBwk="), [Err(Fault::Base64Sha1); 4]);
        assert_eq!(every("1B2M2Y8AsgTpgAmY7PhCfg=="), [Err(Fault::Base64Md5); 4]);
        assert_eq!(every(" \t"), [Err(Fault::Blank); 4]);
        assert_eq!(Digest::of("").as_str(), EMPTY_DIGEST);
        assert_eq!(Digest::from_hex(&digest.as_str()[1..]), None);
        assert_eq!(format!("{digest:?}"), "[redacted]");
    }

    #[test]
    fn external_ids_keep_their_case_and_may_look_like_md5() {
        assert_eq!(external_id_digest(" User_123\n"), Ok(Digest::of("User_123")));
        assert_eq!(
            external_id_digest("D41D8CD98F00B204E9800998ECF8427E"),
            Ok(Digest::of("D41D8CD98F00B204E9800998ECF8427E"))
        );
        assert_eq!(external_id_digest(""), Err(Fault::Blank));
    }

    #[test]
    fn names_lose_punctuation_and_blanks_but_no_accent() {
        for (text, expected) in [
            (" Luís ", "luís"),
            ("O’Neil-Smith, Jr.", "oneilsmithjr"),
            ("Mary Ann", "maryann"),
            ("Jose\u{301}", "jose\u{301}"),
            ("佐々木", "佐々木"),
            ("マリア・シルバ", "マリアシルバ"),
            ("कृष्ण", "कृष्ण"),
            ("ג׳ורג׳", "גורג"),
        ] {
            assert_eq!(person_name_digest(text), Ok(Digest::of(expected)), "{text}");
        }
        assert_eq!(person_name_digest("-."), Err(Fault::Blank));
    }

    #[test]
    fn postal_codes_lose_blanks_and_hyphens_and_the_us_extension() {
        for (text, expected) in [
            ("90210-1234", "90210"),
            (" 90210 ", "90210"),
            ("12227-000", "12227000"),
            ("SW1A 1AA", "sw1a1aa"),
            ("00-950", "00950"),
            ("H2G 1A7", "h2g1a7"),
        ] {
            assert_eq!(zip_code_digest(text), Ok(Digest::of(expected)), "{text}");
        }
        assert_eq!(zip_code_digest(" - "), Err(Fault::Blank));
    }

    #[test]
    fn places_are_plain_and_countries_two_letters() {
        assert_eq!(place("São José dos Campos").as_deref(), Ok("sãojosédoscampos"));
        assert_eq!(place("St. John's").as_deref(), Ok("stjohns"));
        assert_eq!(place("-"), Err(Fault::NotAPlace));
        assert_eq!(place(EMPTY_DIGEST), Err(Fault::NotAPlace));
        assert_eq!(place(""), Err(Fault::Blank));
        assert_eq!(country(" US ").as_deref(), Ok("us"));
        for text in ["uk", "USA", "United States", "zz", "u", "us ca"] {
            assert_eq!(country(text), Err(Fault::NotACountry), "{text}");
        }
        assert_eq!(COUNTRIES.split(' ').count(), 250);
    }

    #[test]
    fn event_ids_are_the_digest_of_netstrings() {
        assert_eq!(
            event_id(["offline", "Purchase", "4711"]),
            Digest::of("7:offline,8:Purchase,4:4711,").as_str()[..32]
        );
        assert_ne!(event_id(["ab", "c"]), event_id(["a", "bc"]));
        assert_eq!(event_id(["é"]), Digest::of("2:é,").as_str()[..32]);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,40}|[ A-Zİa-z0-9.+]{1,20}@[A-Zİa-z0-9-]{1,9}\\.[A-Za-z]{2,4} ?") {
            if let Ok(address) = email(&text) {
                prop_assert_eq!(email(&address), Ok(Cow::Borrowed(&*address)));
            }
            if let Ok(place_) = place(&text) {
                prop_assert_eq!(place(&place_), Ok(place_));
            }
            for digest in [email_digest(&text), phone_digest(&text, Region::parse("GB")), external_id_digest(&text), person_name_digest(&text), zip_code_digest(&text)].into_iter().flatten() {
                prop_assert_eq!(email_digest(digest.as_str()), Ok(digest));
            }
        }

        #[test]
        fn any_text_has_an_answer(text in any::<String>()) {
            let _ = (email(&text), country(&text), place(&text), email_digest(&text), external_id_digest(&text));
            let _ = (phone_digest(&text, Region::parse("US")), person_name_digest(&text), zip_code_digest(&text));
        }
    }
}
