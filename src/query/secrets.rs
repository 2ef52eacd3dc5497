//! Secrets in the text of a query file: found in literals, options, addresses and comments, and never shown.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location as Place, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::error::Error;

/// Parts of the names of options and settings whose value is a secret.
const SECRET_NAMES: [&str; 10] = [
    "secret",
    "password",
    "passwd",
    "token",
    "access_key",
    "account_key",
    "private_key",
    "api_key",
    "credential",
    "sas_key",
];
/// Parts of such names that make them harmless.
const HARMLESS_NAMES: [&str; 4] = ["token_file", "_path", "key_id", "_file"];
/// Parameters of an address whose value is a secret.
const SECRET_PARAMETERS: [&str; 8] = [
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
    "access_token",
    "token",
    "password",
];
/// Characters of the shortest secret that is recognised by the word before it.
const MIN_SECRET: usize = 12;
/// Words that a commit's hash in a comment follows.
const COMMIT_WORDS: [&str; 5] = ["commit", "rev", "revision", "sha", "sha1"];

/// A kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value whose name says that it is secret.
    Named,
    /// TikTok's token.
    AccessToken,
    /// A key of AWS, by its id.
    AwsKey,
    /// A JSON web token.
    WebToken,
    /// A private key in PEM.
    PrivateKey,
    /// The password of an address.
    Password,
    /// The signature of an address.
    Signature,
}

impl Kind {
    /// What it is, in words.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Named => "a secret",
            Self::AccessToken => "an access token",
            Self::AwsKey => "an AWS access key",
            Self::WebToken => "a JSON web token",
            Self::PrivateKey => "a private key",
            Self::Password => "a password in an address",
            Self::Signature => "a signature in an address",
        }
    }

    /// What to do about it.
    pub(super) fn fix(self) -> &'static str {
        match self {
            Self::Named | Self::AccessToken => {
                "take it out and revoke it; TikTok's token goes into POSTBACK_ACCESS_TOKEN or the file of --token-file"
            }
            Self::AwsKey => {
                "take it out and deactivate the key; keys of buckets belong in the environment or in a profile"
            }
            Self::WebToken => "take it out, and revoke it where it was issued",
            Self::PrivateKey => "take it out, and replace the key wherever it is trusted",
            Self::Password => {
                "take the address out and change the password: buckets are read with keys of the environment"
            }
            Self::Signature => {
                "take the address out and let its signature expire: buckets are read with keys of the environment"
            }
        }
    }
}

/// A secret in a query file.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    /// Where it stands.
    pub(super) span: Span,
    /// The literal that holds it; itself in a comment.
    pub(super) literal: Span,
    /// What it is.
    pub(super) kind: Kind,
    /// Its text, in order to keep it out of messages.
    text: String,
}

/// The secrets of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Vec<Secret>);

impl Secrets {
    /// Those in `text`.
    pub(super) fn of(text: &str) -> Self {
        let mut found = Self::default();
        let mut tokens = Vec::new();
        // What comes before a quote without a partner is looked at all the same.
        let _ = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location_into_buf(&mut tokens);
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        found.named_values(&tokens);
        let is_comment = comment_columns(&tokens, lines.len());
        let mut is_key = false;
        for (index, line) in lines.iter().enumerate() {
            found.in_line(line, index, is_comment.get(index).copied().flatten(), &mut is_key);
        }
        for secret in &mut found.0 {
            let is_around = |token: &&TokenWithSpan| {
                !matches!(token.token, Token::Whitespace(_))
                    && token.span.start <= secret.span.start
                    && secret.span.end <= token.span.end
            };
            secret.literal = tokens.iter().find(is_around).map_or(secret.span, |token| token.span);
        }
        found
    }

    /// Every secret, in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    /// `text`, the whole file, with an asterisk for each character of a secret.
    pub(super) fn masked_file(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let mut masked = String::with_capacity(text.len());
        for (line, content) in (1_u64..).zip(text.split_inclusive('\n')) {
            for (column, letter) in (1_u64..).zip(content.chars()) {
                let place = Place { line, column };
                let is_secret = self.0.iter().any(|secret| secret.span.start <= place && place < secret.span.end);
                masked.push(if is_secret && !matches!(letter, '\n' | '\r') { '*' } else { letter });
            }
        }
        masked
    }

    /// `message` without the text of a secret.
    pub(super) fn concealed(&self, message: &str) -> String {
        let hide = |message: String, secret: &Secret| message.replace(&secret.text, "***");
        self.0.iter().filter(|secret| secret.text.len() > 3).fold(message.to_owned(), hide)
    }

    /// An error whose words hold no secret. What lies underneath it is dropped, as it may quote the file.
    pub(super) fn conceal(&self, error: &Error) -> Error {
        let mut concealed = Error::new(error.kind(), self.concealed(error.message())).at(error.location().cloned());
        if let Some(hint) = error.hint_text() {
            concealed = concealed.hint(self.concealed(hint));
        }
        concealed
    }

    /// The values of settings and options whose names say that they are secret.
    fn named_values(&mut self, tokens: &[TokenWithSpan]) {
        let tokens: Vec<_> = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
        for (index, token) in tokens.iter().enumerate() {
            let assigned = |next: usize| match tokens.get(next).map(|token| &token.token) {
                Some(Token::Eq) => next + 1,
                _ => next,
            };
            let value = match &token.token {
                Token::SingleQuotedString(name) if is_secret_name(name) => assigned(index + 1),
                Token::Word(word) if is_setting(&tokens[..index]) && is_secret_name(&word.value) => {
                    match tokens.get(index + 1).map(|token| &token.token) {
                        Some(Token::Eq) => index + 2,
                        _ => continue,
                    }
                }
                _ => continue,
            };
            if let Some(TokenWithSpan {
                token: Token::SingleQuotedString(text) | Token::DoubleQuotedString(text),
                span,
            }) = tokens.get(value)
                && !text.is_empty()
            {
                self.push(inside_quotes(*span), Kind::Named, text.clone());
            }
        }
    }

    /// The secrets that are known by how they look.
    fn in_line(&mut self, line: &[char], index: usize, comment: Option<usize>, is_key: &mut bool) {
        let text: String = line.iter().collect();
        if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
            *is_key = true;
        }
        if *is_key {
            let start = text.find("-----BEGIN ").map_or(0, |byte| text[..byte].chars().count());
            self.push_in(line, index, start..line.len(), Kind::PrivateKey);
            *is_key = !text.contains("-----END ");
            return;
        }
        for range in addresses(line) {
            self.in_address(line, index, range);
        }
        for range in words(line) {
            let word: String = line[range.clone()].iter().collect();
            let is_comment = comment.is_some_and(|column| range.start >= column);
            let before: String = line[..range.start].iter().collect();
            let last = before.split(|c: char| !c.is_alphanumeric()).rfind(|word| !word.is_empty()).unwrap_or_default();
            let last = last.to_ascii_lowercase();
            let kind = if is_aws_key(&word) {
                Kind::AwsKey
            } else if is_web_token(&word) {
                Kind::WebToken
            } else if is_access_token(&word) && !(is_comment && COMMIT_WORDS.contains(&last.as_str())) {
                Kind::AccessToken
            } else if is_comment && is_named_in_comment(&before, &word) {
                Kind::Named
            } else {
                continue;
            };
            self.push_in(line, index, range, kind);
        }
    }

    /// Credentials in `scheme://user:password@host/path?sig=…`.
    fn in_address(&mut self, line: &[char], index: usize, range: std::ops::Range<usize>) {
        let find = |from: usize, letters: &[char]| (from..range.end).find(|at| letters.contains(&line[*at]));
        let host = range.start + line[range.clone()].iter().collect::<String>().find("://").map_or(0, |byte| byte + 3);
        let authority = find(host, &['/', '?', '#']).unwrap_or(range.end);
        // A password may hold an `@` or a slash that was not escaped.
        let user_info =
            (host..range.end).rev().find(|at| line[*at] == '@' && (*at < authority || line[host..*at].contains(&':')));
        if let Some(at) = user_info
            && let Some(colon) = (host..at).find(|index| line[*index] == ':')
        {
            self.push_in(line, index, colon + 1..at, Kind::Password);
        }
        let mut next = find(host, &['?']);
        while let Some(separator) = next {
            let end = find(separator + 1, &['&', '#']).unwrap_or(range.end);
            if let Some(equals) = (separator + 1..end).find(|at| line[*at] == '=') {
                let name: String = line[separator + 1..equals].iter().collect();
                if SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) && equals + 1 < end {
                    self.push_in(line, index, equals + 1..end, Kind::Signature);
                }
            }
            next = (end < range.end).then_some(end);
        }
    }

    fn push_in(&mut self, line: &[char], index: usize, range: std::ops::Range<usize>, kind: Kind) {
        let place = |column: usize| Place { line: index as u64 + 1, column: column as u64 + 1 };
        let text = line[range.clone()].iter().collect();
        self.push(Span { start: place(range.start), end: place(range.end) }, kind, text);
    }

    fn push(&mut self, span: Span, kind: Kind, text: String) {
        let overlaps = |other: &Secret| other.span.start < span.end && span.start < other.span.end;
        if span.start < span.end && !self.0.iter().any(overlaps) {
            self.0.push(Secret { span, literal: span, kind, text });
            self.0.sort_by_key(|secret| secret.span.start);
        }
    }
}

/// Whether what comes before a word makes it the name of a setting: `SET postback.`.
fn is_setting(before: &[&TokenWithSpan]) -> bool {
    let is_name = |token: &&&TokenWithSpan| {
        matches!(token.token, Token::Period)
            || matches!(&token.token, Token::Word(word) if !word.value.eq_ignore_ascii_case("set"))
    };
    let set = before.iter().rev().find(|token| !is_name(token));
    set.is_some_and(|token| matches!(&token.token, Token::Word(_)))
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_name =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    let name = name.replace('-', "_");
    is_name
        && SECRET_NAMES.iter().any(|part| name.contains(part))
        && !HARMLESS_NAMES.iter().any(|part| name.contains(part))
}

/// The span of what a token in quotes holds.
fn inside_quotes(span: Span) -> Span {
    let mut span = span;
    span.start.column += 1;
    span.end.column = span.end.column.saturating_sub(1).max(1);
    span
}

/// For each line the column, from zero, where a comment begins that lasts to its end.
fn comment_columns(tokens: &[TokenWithSpan], lines: usize) -> Vec<Option<usize>> {
    let mut columns = vec![None; lines];
    for token in tokens {
        let Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) = token.token
        else {
            continue;
        };
        let (first, last) = (token.span.start.line, token.span.end.line);
        for line in first..=last {
            let start = if line == first { token.span.start.column.saturating_sub(1) } else { 0 };
            let line = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
            if let Some(column) = columns.get_mut(line).filter(|column| column.is_none()) {
                *column = usize::try_from(start).ok();
            }
        }
    }
    columns
}

/// The addresses in a line, from their scheme to a blank or quote.
fn addresses(line: &[char]) -> Vec<std::ops::Range<usize>> {
    let is_edge = |letter: char| letter.is_whitespace() || "'\"`<>()".contains(letter);
    let mut found = Vec::new();
    for at in 0..line.len().saturating_sub(2) {
        if line[at..at + 3] == [':', '/', '/']
            && found.last().is_none_or(|range: &std::ops::Range<usize>| at >= range.end)
        {
            let start = (0..at).rev().find(|index| !line[*index].is_ascii_alphanumeric()).map_or(0, |index| index + 1);
            let end = (at..line.len()).find(|index| is_edge(line[*index])).unwrap_or(line.len());
            found.push(start..end);
        }
    }
    found
}

/// The words in a line that may be secrets: letters, digits and what Base64 and JSON web tokens add.
fn words(line: &[char]) -> Vec<std::ops::Range<usize>> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.+/".contains(letter);
    let mut found = Vec::new();
    let mut start = None;
    for at in 0..=line.len() {
        match (start, line.get(at).is_some_and(|letter| is_part(*letter))) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn is_aws_key(word: &str) -> bool {
    word.len() == 20
        && (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_web_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3 && parts[0].starts_with("eyJ") && parts[1].starts_with("eyJ") && word.len() > 40
}

/// TikTok's access tokens are 40 hex digits.
fn is_access_token(word: &str) -> bool {
    word.len() == 40
        && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Whether a comment calls the word a secret: `token: …`.
fn is_named_in_comment(before: &str, word: &str) -> bool {
    let before = before.trim_end_matches([' ', '\'', '"']);
    let Some(name) = before.strip_suffix([':', '=']) else { return false };
    let name = name.trim_end().rsplit(|letter: char| letter.is_whitespace()).next().unwrap_or_default();
    word.len() >= MIN_SECRET
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
        && is_secret_name(name.trim_start_matches("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_and_masked_in_their_width() {
        for (text, masked) in [
            ("SET postback.access_token = 'canary5e7d';", "SET postback.access_token = '**********';"),
            ("OPTIONS ('aws.secret_access_key' 'abc/def+1')", "OPTIONS ('aws.secret_access_key' '*********')"),
            ("FROM 's3://key:hush@bucket/a.parquet'", "FROM 's3://key:****@bucket/a.parquet'"),
            (
                "FROM 'https://b.example/a.csv?sv=1&sig=abc%2B&x=1'",
                "FROM 'https://b.example/a.csv?sv=1&sig=******&x=1'",
            ),
            ("-- AKIAIOSFODNN7EXAMPLE is the key", "-- ******************** is the key"),
            ("-- token: 0123456789ab", "-- token: ************"),
            (
                "SELECT '0123456789abcdef0123456789abcdef01234567' AS t",
                "SELECT '****************************************' AS t",
            ),
            ("/* -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- */ SELECT 1", ""),
        ] {
            let secrets = Secrets::of(text);
            assert_eq!(secrets.iter().count().min(1), 1, "{text}");
            let shown = secrets.masked_file(text.to_owned());
            assert_eq!(shown.chars().count(), text.chars().count(), "{text}");
            if !masked.is_empty() {
                assert_eq!(shown, masked);
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_secret_is_none() {
        for text in [
            "-- as of commit 0123456789abcdef0123456789abcdef01234567",
            "SET postback.token_file = '/run/secrets/token';",
            "SELECT 'https://shop.example/receipts?form=newsletter' AS page_url",
            "SELECT encode(sha256(email), 'hex') AS email, token AS _token FROM 'a.csv'",
            "SELECT 'f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26' AS email",
            "SELECT 'https://a.example/@user' AS page_url -- the token: see the vault",
            "SET postback.event_source_id = '7654321098765432109'",
        ] {
            assert_eq!(Secrets::of(text).iter().count(), 0, "{text}: {:?}", Secrets::of(text));
        }
    }
}
