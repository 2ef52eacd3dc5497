//! Where things stand in the text of a query file: the parser's spans, made exact with the tokens.
//!
//! A parsed expression knows where its names and literals are, not its brackets and keywords. The tokens of its select
//! list know both.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, Spanned};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location as Place, Span, Token, TokenWithSpan, Tokenizer, Word};

/// The tokens of a file that mean something, in order.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<TokenWithSpan>);

/// Where an item of a select list stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemPlace {
    /// The item without its alias; of a wildcard the `*` and its table.
    pub(super) expression: Span,
    /// Its alias, where it has one.
    pub(super) alias: Option<Span>,
}

impl Tokens {
    /// The tokens of `text`; none where it has none.
    pub(super) fn of(text: &str) -> Self {
        let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().unwrap_or_default();
        Self(tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect())
    }

    /// The tokens, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &TokenWithSpan> {
        self.0.iter()
    }

    /// The items of the select list of `select`, one for each of its projection; none where they cannot be told apart.
    pub(super) fn items(&self, select: &Select) -> Option<Vec<ItemPlace>> {
        let mut next = self.starting(select.select_token.0.span.start)? + 1;
        next = self.behind_distinct(next);
        let mut items = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            let end = self.end_of_item(next);
            items.push(self.item(next..end, item)?);
            next = end + 1;
        }
        Some(items)
    }

    /// The call whose function has its name at `name`, with its arguments.
    pub(super) fn call(&self, name: Span) -> Span {
        let Some(start) = self.starting(name.start) else { return name };
        let mut end = start;
        while self.0.get(end).is_some_and(|token| token.span.end < name.end) {
            end += 1;
        }
        match self.0.get(end + 1) {
            Some(next) if next.token == Token::LParen => Span { start: name.start, end: self.partner(end + 1).end },
            _ => name,
        }
    }

    /// The first word of the query that the `INSERT INTO` at `place` takes its rows from.
    pub(super) fn query_behind(&self, place: Place) -> Span {
        let words = [Keyword::SELECT, Keyword::WITH, Keyword::VALUES];
        let begins = |token: &&TokenWithSpan| {
            token.span.start >= place && matches!(&token.token, Token::Word(word) if words.contains(&word.keyword))
        };
        self.iter().find(begins).map_or(Span { start: place, end: place }, |token| token.span)
    }

    /// What stands around `place` between two commas or brackets, such as a cell of VALUES.
    pub(super) fn cell(&self, place: Place) -> Option<Span> {
        let inside = self.starting(place)?;
        let is_edge = |token: &Token| matches!(token, Token::Comma | Token::LParen | Token::LBracket);
        let mut first = inside;
        while first > 0 && !is_edge(&self.0[first - 1].token) {
            first -= 1;
        }
        let end = self.end_of_item(inside);
        Some(Span { start: self.0[first].span.start, end: self.0.get(end.checked_sub(1)?)?.span.end })
    }

    /// Where the first token within `span` is that is written `text`: a placeholder with its `$`, or a name without
    /// regard to case.
    pub(super) fn named(&self, text: &str, span: Option<Span>) -> Option<Span> {
        let found = self.iter().find(|token| {
            let is_inside = span.is_none_or(|span| token.span.start >= span.start && token.span.end <= span.end);
            is_inside
                && match &token.token {
                    Token::Word(word) => word.value.eq_ignore_ascii_case(text),
                    Token::Placeholder(placeholder) => placeholder == text,
                    Token::SingleQuotedString(quoted) => quoted == text,
                    _ => false,
                }
        });
        found.map(|token| token.span)
    }

    /// Where the option `name` of a table stands, which may be written without its prefix `format.`.
    pub(super) fn option(&self, name: &str) -> Option<Span> {
        self.named(name, None).or_else(|| self.named(name.strip_prefix("format.")?, None))
    }

    /// Where the literal `text` stands within `span`.
    pub(super) fn text(&self, text: &str, span: Span) -> Option<Span> {
        let is_it = |token: &&TokenWithSpan| {
            token.span.start >= span.start
                && token.span.end <= span.end
                && matches!(&token.token, Token::SingleQuotedString(quoted) if quoted == text)
        };
        self.iter().find(is_it).map(|token| token.span)
    }

    fn starting(&self, place: Place) -> Option<usize> {
        self.0.binary_search_by(|token| token.span.start.cmp(&place)).ok()
    }

    fn behind_distinct(&self, mut next: usize) -> usize {
        let keyword = |index: usize| match self.0.get(index).map(|token| &token.token) {
            Some(Token::Word(word)) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        if keyword(next) == Keyword::ALL {
            return next + 1;
        }
        if keyword(next) == Keyword::DISTINCT {
            next += 1;
            if keyword(next) == Keyword::ON {
                let end = self.partner(next + 1).end;
                next = self.0.iter().position(|token| token.span.end == end).map_or(next, |last| last + 1);
            }
        }
        next
    }

    /// The span from a bracket to its partner.
    fn partner(&self, open: usize) -> Span {
        let mut depth = 0_usize;
        let mut span = self.0.get(open).map_or_else(Span::empty, |token| token.span);
        for token in self.0.iter().skip(open) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            span.end = token.span.end;
            if depth == 0 {
                break;
            }
        }
        span
    }

    /// The index of the token behind the item that begins at `start`: a comma, a bracket, or the next clause.
    fn end_of_item(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        for (index, token) in self.0.iter().enumerate().skip(start) {
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace if depth > 0 => depth -= 1,
                Token::RParen | Token::RBracket | Token::RBrace => return index,
                Token::Comma | Token::SemiColon if depth == 0 => return index,
                Token::Word(word) if depth == 0 && index > start && self.ends_list(index, word) => return index,
                _ => {}
            }
        }
        self.0.len()
    }

    /// Whether the word at `index` begins the next clause.
    fn ends_list(&self, index: usize, word: &Word) -> bool {
        word.quote_style.is_none() && is_clause(word.keyword) && !self.continues(index, word.keyword)
    }

    /// Whether the keyword at `index` belongs to the item before it: an alias, a part of a name, `IS DISTINCT FROM`.
    fn continues(&self, index: usize, keyword: Keyword) -> bool {
        match &self.0[index - 1].token {
            Token::Period => true,
            Token::Word(word) => match word.keyword {
                Keyword::AS => true,
                Keyword::DISTINCT => keyword == Keyword::FROM,
                Keyword::WITHIN => keyword == Keyword::GROUP,
                _ => false,
            },
            _ => false,
        }
    }

    fn item(&self, range: std::ops::Range<usize>, item: &SelectItem) -> Option<ItemPlace> {
        let tokens = self.0.get(range)?;
        let start = tokens.first()?.span.start;
        let until = |last: &TokenWithSpan| Span { start, end: last.span.end };
        let whole = until(tokens.last()?);
        Some(match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                let Some(named) = tokens.iter().rposition(|token| token.span.start == alias.span.start) else {
                    return Some(ItemPlace { expression: whole, alias: None });
                };
                let is_as = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::AS && word.quote_style.is_none());
                // A column without an alias stands under its own name, where it was taken out.
                if named == 0 || tokens[named - 1].token == Token::Period {
                    return Some(ItemPlace { expression: whole, alias: None });
                }
                let before = if named > 1 && is_as(&tokens[named - 1]) { named - 1 } else { named };
                ItemPlace { expression: until(tokens.get(before.checked_sub(1)?)?), alias: Some(alias.span) }
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                let star = tokens.iter().find(|token| token.token == Token::Mul).map_or(whole, until);
                ItemPlace { expression: star, alias: None }
            }
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAliases { .. } => {
                ItemPlace { expression: whole, alias: None }
            }
        })
    }
}

/// Whether a keyword ends a select list.
fn is_clause(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::FROM
            | Keyword::INTO
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::FETCH
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT
            | Keyword::QUALIFY
            | Keyword::WINDOW
    )
}

/// Whether `span` begins within `outer`.
pub(super) fn begins_within(span: Span, outer: Span) -> bool {
    span.start >= outer.start && span.start < outer.end
}

/// The name that an item without an alias has, if it is a column.
pub(super) fn column_name(expression: &Expr) -> Option<&Ident> {
    match expression {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

/// Where `expression` is, as far as the parser knows.
pub(super) fn rough(expression: &Expr) -> Span {
    expression.span()
}
