//! Pages of lists: `?limit=` and an opaque `?cursor=`.
//!
//! A list is answered whole, as it always was, where neither is given. A page has the items whose keys come after the cursor,
//! in the order of the keys, so that what is added or removed between two pages makes no other item appear twice or not at
//! all. Where there is more, the header `Link` (RFC 8288, relation `next`) has the query of the next page, and lists that are
//! objects have the member `next_cursor`.
//!
//! Lists that can be long are read by key, from the store or from an ordered map ([`Pages::read`], [`Pages::after`]): a page costs
//! what it shows, however long the list is. Pages of the store come in the order of its keys, shorter names first. Where a
//! filter takes few, a page looks at [`LOOKED_AT`] records at most: it may have fewer items than were asked for, and yet there
//! is more.

use super::error::{ApiError, status_of};
use super::extract::Params;
use super::openapi::{json_response, refuses, text_header};
use crate::store::{BoxFuture, Key, Prefix, RawKey, Record, Snapshot, Store, StoreError};
use aide::generate::GenContext;
use aide::openapi::{Operation, ReferenceOr, Response as Documented};
use aide::{OperationInput, OperationOutput};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use core::fmt::Write as _;
use ipowdm_core::error::Code;
use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

/// Most items of a page.
const MOST: u16 = 1000;

/// Items of a page that is asked for without a limit.
const USUAL: u16 = 100;

/// Records that one page looks at, at most.
const LOOKED_AT: usize = 4096;

/// Records that are read at a time, at least.
const AT_A_TIME: usize = 16;

/// Most bytes of a key in a cursor.
const LONGEST_KEY: usize = 512;

#[derive(Debug, Deserialize, JsonSchema)]
struct PageQuery {
    /// Items at most: 100 where only a cursor is given, all of them where neither is.
    #[serde(default, deserialize_with = "limit")]
    #[schemars(with = "Option<u16>", range(min = 1, max = 1000))]
    limit: Option<u16>,
    /// Where the page before ended, as its answer said; not to be made up.
    #[serde(default, deserialize_with = "cursor")]
    #[schemars(with = "Option<String>")]
    cursor: Option<String>,
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let limit = u16::deserialize(deserializer)?;
    if !(1..=MOST).contains(&limit) {
        return Err(de::Error::custom(format_args!("limit: {limit} is not in 1..={MOST}")));
    }
    Ok(Some(limit))
}

fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    key_of(&text).map(Some).ok_or_else(|| de::Error::custom("cursor: not one that an answer had"))
}

/// The key in a cursor.
fn key_of(cursor: &str) -> Option<String> {
    let digits = cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || !cursor.len().is_multiple_of(2) || cursor.len() > 2 * LONGEST_KEY {
        return None;
    }
    let byte = |at: usize| cursor.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..cursor.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

fn cursor_of(key: &str) -> String {
    key.bytes().fold(String::with_capacity(2 * key.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Which page of a list is asked for.
#[derive(Debug)]
pub(super) struct Pages {
    query: PageQuery,
    /// The query string without its cursor: what the next page is asked for with, too.
    rest: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Pages {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Params(query) = Params::<PageQuery>::from_request_parts(parts, state).await?;
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let rest: Vec<&str> = pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=")).collect();
        Ok(Self { query, rest: rest.join("&") })
    }
}

impl OperationInput for Pages {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Params::<PageQuery>::operation_input(ctx, operation);
        refuses(operation, status_of(Code::InvalidField), Code::InvalidField);
    }
}

impl Pages {
    /// Whether the list is asked for whole.
    pub(super) const fn whole(&self) -> bool {
        self.query.limit.is_none() && self.query.cursor.is_none()
    }

    fn limit(&self) -> usize {
        usize::from(self.query.limit.unwrap_or(USUAL))
    }

    /// The page of the records under a prefix, in the order of their keys, of those that `take` makes an item of.
    pub(super) async fn read<T: Record, U, E: From<StoreError>>(
        &self,
        store: &Store,
        prefix: Prefix<T>,
        mut take: impl for<'a> FnMut(&'a mut Snapshot, Key<T>, T) -> BoxFuture<'a, Result<Option<U>, E>>,
    ) -> Result<Page<U>, E> {
        let limit = self.limit();
        let under = prefix.raw().as_str();
        let mut after = self.query.cursor.as_ref().map(|cursor| format!("{under}{cursor}"));
        let (mut items, mut looked_at, mut snapshot) = (Vec::new(), 0, store.snapshot().await?);
        loop {
            // One more than is shown says whether there is more.
            let wanted = (limit + 1 - items.len()).max(AT_A_TIME);
            let from = after.as_deref().and_then(|key| Key::from_raw(RawKey::from_stored(key)));
            let records = snapshot.page(&prefix, from.as_ref(), Some(wanted)).await?;
            let last = records.len() < wanted;
            for (key, record) in records {
                if items.len() == limit || looked_at == LOOKED_AT {
                    let last = after.as_deref().and_then(|key| key.strip_prefix(under)).map(str::to_owned);
                    return Ok(self.with_next(items, last));
                }
                looked_at += 1;
                after = Some(key.raw().as_str().to_owned());
                items.extend(take(&mut snapshot, key, record).await?);
            }
            if last {
                return Ok(self.with_next(items, None));
            }
        }
    }

    /// The key after which a page begins.
    pub(super) fn after(&self) -> Option<&str> {
        self.query.cursor.as_deref()
    }

    /// How many items a page has, and how many it looks at, at most.
    pub(super) fn bounds(&self) -> (usize, usize) {
        (self.limit(), LOOKED_AT)
    }

    /// A page after whose last key, `next`, there is more.
    pub(super) fn with_next<T>(&self, items: Vec<T>, next: Option<String>) -> Page<T> {
        let next = next.map(|key| cursor_of(&key));
        let link = next.as_ref().map(|next| {
            let and = if self.rest.is_empty() { "" } else { "&" };
            format!("<?{}{and}cursor={next}>; rel=\"next\"", self.rest)
        });
        Page { items, next, link }
    }

    /// The page of a list whose items have keys of their own.
    pub(super) fn of<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        if self.whole() {
            return Page { items, next: None, link: None };
        }
        items.sort_by_cached_key(&key);
        if let Some(after) = &self.query.cursor {
            let begins = items.partition_point(|item| key(item) <= *after);
            items.drain(..begins);
        }
        let limit = self.limit();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(&key);
        self.with_next(items, next)
    }
}

/// Items, and where more are.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The cursor of the next page, where there is one.
    pub(super) next: Option<String>,
    link: Option<String>,
}

impl<T> Page<T> {
    /// The answer, made of the items and the next cursor.
    pub(super) fn answer<B>(self, body: impl FnOnce(Vec<T>, Option<String>) -> B) -> Paged<B> {
        Paged { body: body(self.items, self.next), link: self.link }
    }
}

/// A list with the header of its next page.
#[derive(Debug)]
pub(super) struct Paged<B> {
    body: B,
    link: Option<String>,
}

impl<B: Serialize> IntoResponse for Paged<B> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        // What came in a query string may stand in a header.
        if let Some(link) = self.link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

impl<B: JsonSchema> OperationOutput for Paged<B> {
    type Inner = B;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let mut response = json_response::<B>(ctx);
        let mut link = text_header("The query of the next page, relation `next`; absent on the last one.");
        link.required = false;
        response.headers.insert("Link".to_owned(), ReferenceOr::Item(link));
        vec![(Some(200), response)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(limit: Option<u16>, cursor: Option<&str>) -> Pages {
        let query = PageQuery { limit, cursor: cursor.map(|cursor| key_of(cursor).unwrap()) };
        Pages { query, rest: "state=up".to_owned() }
    }

    #[test]
    fn pages_together_are_the_list_in_the_order_of_its_keys() {
        let items = || vec!["d", "b", "a", "e", "c"];
        let whole = pages(None, None).of(items(), ToString::to_string);
        assert_eq!((whole.items, whole.next), (items(), None));
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = pages(Some(2), cursor.as_deref()).of(items(), ToString::to_string);
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            assert_eq!(page.link.unwrap(), format!("<?state=up&cursor={next}>; rel=\"next\""));
            cursor = Some(next);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_was_removed_in_between_moves_no_page() {
        let first = pages(Some(2), None).of(vec!["a", "b", "c"], ToString::to_string);
        let rest = pages(Some(2), first.next.as_deref()).of(vec!["a", "c"], ToString::to_string);
        assert_eq!((rest.items, rest.next), (vec!["c"], None));
    }

    #[test]
    fn a_cursor_that_no_answer_had_is_refused() {
        for text in ["6", "6g", "ff", "é6", "+1"] {
            assert_eq!(key_of(text), None, "{text}");
        }
        assert_eq!(key_of(&cursor_of("pop1/router/é")).as_deref(), Some("pop1/router/é"));
    }
}
