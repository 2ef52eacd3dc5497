//! Letters beyond the first 65,536 that JSON writes as two escapes, such as `\ud842\udfb7`.
//!
//! The decoder joins the two halves with "or" where it has to add: for every second 65,536 letters, from U+20000 on, it
//! gives a letter of 65,536 before. The pairs are therefore replaced by the letters themselves before it sees the text.
//! Halves that have no other one are no JSON, and were refused before.

/// Appends `text`, which is JSON, to `whole`, with letters in the place of pairs.
pub(super) fn push_plain(whole: &mut String, text: &str) {
    let mut rest = text;
    // A backslash that is escaped itself begins no escape.
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let escape = &rest[at..];
        let (letter, length) = match pair(escape) {
            Some(letter) => (Some(letter), PAIR),
            None => (None, escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end)),
        };
        whole.push_str(&rest[..at]);
        match letter {
            Some(letter) => whole.push(letter),
            None => whole.push_str(&escape[..length]),
        }
        rest = &escape[length..];
    }
    whole.push_str(rest);
}

/// Bytes of a pair.
const PAIR: usize = 12;

/// The letter that the pair at the beginning of `text` is.
fn pair(text: &str) -> Option<char> {
    let half = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let halves = [half(0..PAIR / 2)?, half(PAIR / 2..PAIR)?];
    let mut letters = char::decode_utf16(halves);
    let letter = letters.next()?.ok()?;
    // Two escapes may be two letters.
    letters.next().is_none().then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let mut whole = String::new();
        push_plain(&mut whole, text);
        whole
    }

    #[test]
    fn pairs_become_letters_and_all_else_stays() {
        for (text, expected) in [
            (r#"{"a":"\ud842\udfb7"}"#, "{\"a\":\"\u{20bb7}\"}"),
            (r#"{"\uD842\uDFB7":1}"#, "{\"\u{20bb7}\":1}"),
            (r"\ud83d\ude00\ud842\udfb7", "\u{1f600}\u{20bb7}"),
            (r"\ud800\udc00", "\u{10000}"),
            (r"\ud83f\udfff", "\u{1ffff}"),
            (r"\ud840\udc00", "\u{20000}"),
            (r"\ud87f\udfff", "\u{2ffff}"),
            (r"\udbff\udfff", "\u{10ffff}"),
            // A backslash, and letters that only look like a pair.
            (r"\\ud842\udfb7", r"\\ud842\udfb7"),
            (r"\\\ud842\udfb7", "\\\\\u{20bb7}"),
            (r"\\\\ud842\\udfb7", r"\\\\ud842\\udfb7"),
            (r"\u0041\u0042", r"\u0041\u0042"),
            (r"\u00e9\ud842\udfb7", "\\u00e9\u{20bb7}"),
            (r"\ud842", r"\ud842"),
            (r"\udfb7\ud842", r"\udfb7\ud842"),
            (r"\ud842\n\udfb7", r"\ud842\n\udfb7"),
            (r"\ud842é", r"\ud842é"),
            (r"\ud8", r"\ud8"),
            (r"\ud842\udf", r"\ud842\udf"),
            (r"\u+842\udfb7", r"\u+842\udfb7"),
            ("no escape: 𠮷", "no escape: 𠮷"),
            ("\\", "\\"),
            ("", ""),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn every_letter_beyond_the_first_65536_is_itself() {
        for number in 0x10000..=0x10_ffff_u32 {
            let letter = char::from_u32(number).unwrap();
            let mut halves = [0; 2];
            letter.encode_utf16(&mut halves);
            assert_eq!(pair(&format!("\\u{:04x}\\u{:04X}", halves[0], halves[1])), Some(letter));
        }
    }
}
