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

/// The arguments of a list, checked.
#[derive(Debug, Clone)]
pub(crate) struct Paging<C> {
    first: u32,
    after: Option<C>,
}

impl<C: CursorType + Send + Sync> Paging<C> {
    /// Checks the arguments.
    ///
    /// # Errors
    /// More rows than a page holds; a cursor that is none of ours.
    pub(crate) fn new(first: Option<i32>, after: Option<String>) -> Result<Self, Error> {
        let first = match first {
            None => DEFAULT_PAGE,
            Some(first) => u32::try_from(first)
                .ok()
                .filter(|first| (1..=MAX_PAGE).contains(first))
                .ok_or_else(|| Error::new(format!("first: expected 1 to {MAX_PAGE}, got {first}")))?,
        };
        let after = after
            .map(|cursor| {
                C::decode_cursor(&cursor).map_err(|_| Error::new("after: not a cursor of this list"))
            })
            .transpose()?;
        Ok(Self { first, after })
    }

    /// Rows to ask for: one more than the page holds tells whether there is a next page.
    pub(crate) fn limit(&self) -> u32 {
        self.first + 1
    }

    /// The cursor to go on from.
    pub(crate) fn after(&self) -> Option<&C> {
        self.after.as_ref()
    }

    /// The page.
    pub(crate) fn connect<R, N: OutputType>(
        &self,
        rows: Vec<R>,
        node: impl Fn(R) -> (C, N),
    ) -> Connection<C, N> {
        let more = rows.len() > self.first as usize;
        let mut connection = Connection::new(self.after.is_some(), more);
        connection.edges.extend(rows.into_iter().take(self.first as usize).map(|row| {
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
        Page { after: self.after.map(|place| place.0), limit: self.limit(), newest_first }
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
pub(crate) fn cost(first: Option<i32>, each: usize) -> usize {
    let rows = first.and_then(|first| usize::try_from(first).ok()).unwrap_or(DEFAULT_PAGE as usize);
    1 + rows.min(MAX_PAGE as usize) * (1 + each)
}
