//! Relay connections over positions of the chain. A page never holds more than [`MAX_PAGE`] rows.

use async_graphql::connection::{Connection, CursorType, Edge};
use async_graphql::{Error, OutputType};
use offsetdata_store::chain::{Page, Position};
use offsetdata_store::{Conn, StoreError};

use super::located::{Located, locate};
use super::snapshot::internal;

/// Most rows of a page.
pub(crate) const MAX_PAGE: u32 = 200;
/// Rows of a page where the query does not say.
pub(crate) const DEFAULT_PAGE: u32 = 50;

/// The arguments of a list, checked: those of the GraphQL Cursor Connections Specification.
#[derive(Debug, Clone)]
pub(crate) struct Paging<C> {
    rows: u32,
    /// Whether the last rows are wanted and not the first.
    from_end: bool,
    after: Option<C>,
    before: Option<C>,
}

impl<C: CursorType + Send + Sync> Paging<C> {
    /// Checks the arguments.
    ///
    /// # Errors
    /// `first` together with `last`; more rows than a page holds; a cursor that is none of ours.
    pub(crate) fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Self, Error> {
        let checked = |name: &str, rows: i32| {
            u32::try_from(rows)
                .ok()
                .filter(|rows| (1..=MAX_PAGE).contains(rows))
                .ok_or_else(|| Error::new(format!("{name}: expected 1 to {MAX_PAGE}, got {rows}")))
        };
        let (rows, from_end) = match (first, last) {
            (Some(_), Some(_)) => return Err(Error::new("first and last exclude each other")),
            (None, Some(last)) => (checked("last", last)?, true),
            (Some(first), None) => (checked("first", first)?, false),
            (None, None) => (DEFAULT_PAGE, false),
        };
        let place = |name: &str, cursor: Option<String>| {
            cursor
                .map(|cursor| {
                    C::decode_cursor(&cursor)
                        .map_err(|_| Error::new(format!("{name}: not a cursor of this list")))
                })
                .transpose()
        };
        Ok(Self { rows, from_end, after: place("after", after)?, before: place("before", before)? })
    }

    /// Rows to ask for: one more than the page holds tells whether there is a next page.
    pub(crate) fn limit(&self) -> u32 {
        self.rows + 1
    }

    /// The cursors between which the rows stand, in the order in which they are to be read, and whether that is against the list's
    /// order: the last rows are read from the end.
    pub(crate) fn window(&self) -> (Option<&C>, Option<&C>, bool) {
        let (after, before) = (self.after.as_ref(), self.before.as_ref());
        if self.from_end { (before, after, true) } else { (after, before, false) }
    }

    /// The page, from rows in the order in which they were read.
    pub(crate) fn connect<R, N: OutputType>(
        &self,
        mut rows: Vec<R>,
        node: impl Fn(R) -> (C, N),
    ) -> Connection<C, N> {
        let more = rows.len() > self.rows as usize;
        rows.truncate(self.rows as usize);
        if self.from_end {
            rows.reverse();
        }
        // A cursor that was given is that of a row, which stands outside of the page.
        let (previous, next) = match self.from_end {
            false => (self.after.is_some(), more || self.before.is_some()),
            true => (more || self.after.is_some(), self.before.is_some()),
        };
        let mut connection = Connection::new(previous, next);
        connection.edges.extend(rows.into_iter().map(|row| {
            let (cursor, node) = node(row);
            Edge::new(cursor, node)
        }));
        connection
    }
}

impl Paging<Place> {
    /// The page of rows of events, with their blocks.
    ///
    /// # Errors
    /// A database that can't be read.
    pub(crate) async fn locate<T: Located + OutputType>(
        &self,
        conn: &mut Conn,
        rows: Result<Vec<T::Row>, StoreError>,
    ) -> Result<Connection<Place, T>, Error> {
        let shown = locate::<T>(conn, rows.map_err(internal)?).await.map_err(internal)?;
        Ok(self.connect(shown, |(position, row)| (Place(position), row)))
    }

    /// As the store wants it.
    pub(crate) fn page(&self, newest_first: bool) -> Page {
        let (after, before, against) = self.window();
        Page {
            after: after.map(|place| place.0),
            before: before.map(|place| place.0),
            limit: self.limit(),
            newest_first: newest_first != against,
        }
    }
}

/// The cursor of a row: its position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(pub(crate) Position);

impl CursorType for Place {
    type Error = std::num::ParseIntError;
    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        text.parse().map(|number| Self(Position::from_number(number)))
    }
    fn encode_cursor(&self) -> String {
        self.0.number().to_string()
    }
}

/// The cursor of a metric point: position of its commitment and place in the series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PointPlace(pub(crate) Position, pub(crate) u32);

impl CursorType for PointPlace {
    type Error = &'static str;
    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let (position, sequence) = text.split_once('.').ok_or("no point")?;
        match (position.parse(), sequence.parse()) {
            (Ok(position), Ok(sequence)) => Ok(Self(Position::from_number(position), sequence)),
            _ => Err("no number"),
        }
    }
    fn encode_cursor(&self) -> String {
        format!("{}.{}", self.0.number(), self.1)
    }
}

/// What a list costs: its rows times what each costs.
pub(crate) fn cost(first: Option<i32>, last: Option<i32>, each: usize) -> usize {
    let rows = first.or(last).and_then(|rows| usize::try_from(rows).ok()).unwrap_or(DEFAULT_PAGE as usize);
    1 + rows.min(MAX_PAGE as usize) * (1 + each)
}
