//! Reads what comes next in a stream, a batch at a time, each in one moment of the database. Between two batches it holds a place
//! and no row, so that a client may be as slow as it wants.

use std::time::{Duration, Instant};

use offsetdata_protocol::ids::RequestId;
use offsetdata_store::chain::fetch::FetchStatus;
use offsetdata_store::chain::happenings::{self, Happening, HappeningFilter, HappeningKind};
use offsetdata_store::chain::{Position, blocks, points, training};
use offsetdata_store::{Conn, Pool, StoreError};

use super::place::{EventId, Known, Standing, prefix, standing};
use super::told::{Body, EventType, Points, Told, load};
use crate::api::block::BlockRef;
use crate::api::training::Point;

/// Happenings that are looked at for one batch.
const LOOKED_AT: u32 = 200;
/// Points in one event.
const POINTS: u32 = 500;
/// Events of a batch, after which no more is read into it.
const BATCH: usize = 64;
/// Longest wait for points that are to be fetched.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tries after which points count as not available.
const TRIES: u32 = 3;

/// What a stream is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// One request, with its points; it ends with the request.
    Request(RequestId),
    /// Everything for which the filter holds, with points or without.
    All { filter: HappeningFilter, points: bool },
}

impl Wanted {
    /// Whether metric points are told.
    fn points(&self) -> bool {
        matches!(self, Self::Request(_) | Self::All { points: true, .. })
    }
}

/// A commitment whose points come next.
#[derive(Debug, Clone, Copy)]
struct Pending {
    commitment: Position,
    /// The last point that was told.
    after: Option<u32>,
    since: Instant,
}

/// What comes next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) told: Vec<Told>,
    /// Whether there is more to read at once.
    pub(super) more: bool,
    /// Whether nothing follows any more.
    pub(super) ended: bool,
}

/// The place of a stream.
#[derive(Debug)]
pub(super) struct Reader {
    wanted: Wanted,
    /// Up to here everything was told.
    at: Position,
    pending: Option<Pending>,
    /// The last position that was told, or that the client brought.
    last: Option<Position>,
    /// A block that the chain has if what was told stands.
    known: Option<Known>,
}

impl Reader {
    /// Goes on after an id, or begins at the beginning of what is indexed.
    pub(super) fn new(wanted: Wanted, after: Option<EventId>, now: Instant) -> Self {
        let Some(id) = after else {
            return Self { wanted, at: Position::START, pending: None, last: None, known: None };
        };
        // Whether it is a commitment is seen when it is read.
        let pending = Pending { commitment: id.position, after: id.sequence, since: now };
        let number = id.position.block();
        let eventful = id.position != Position::end_of(number);
        Self {
            wanted,
            at: id.position,
            pending: Some(pending).filter(|_| wanted.points()),
            last: Some(id.position),
            known: id.block.map(|block| Known { number, block, eventful }),
        }
    }

    /// Whether the client brought an id.
    pub(super) fn resumes(&self) -> bool {
        self.last.is_some()
    }

    /// Begins after the block up to which everything is in.
    pub(super) async fn begin_now(&mut self, pool: &Pool) -> Result<(), StoreError> {
        if let Some(cursor) = blocks::head(&mut *pool.acquire().await?).await? {
            self.at = Position::end_of(cursor.number.0);
            let block = prefix(cursor.hash);
            self.known = Some(Known { number: cursor.number.0, block, eventful: false });
        }
        Ok(())
    }

    /// The next batch.
    ///
    /// # Errors
    /// A database that can't be read.
    pub(super) async fn read(&mut self, pool: &Pool, now: Instant) -> Result<Batch, StoreError> {
        let mut tx = pool.read().await?;
        let mut batch = Batch::default();
        let Some(cursor) = blocks::head(&mut tx).await? else { return Ok(batch) };
        if let Some(known) = self.known {
            match standing(&mut tx, &cursor, known).await? {
                Standing::Stands => {}
                Standing::Ahead => return Ok(batch),
                Standing::Left { number, hash } => {
                    let timestamp = blocks::find_block(&mut tx, number).await?.map(|block| block.timestamp);
                    let block = hash.zip(timestamp).map(|(hash, timestamp)| {
                        BlockRef::new(offsetdata_store::Count(number), hash, timestamp)
                    });
                    self.go_back(number, hash, block, &mut batch);
                }
            }
        }
        loop {
            if batch.told.len() >= BATCH {
                batch.more = true;
                break;
            }
            if self.pending.is_some() {
                if !self.read_points(&mut tx, now, &mut batch).await? {
                    break;
                }
                continue;
            }
            let (mut page, until) = match &self.wanted {
                Wanted::Request(id) => {
                    let page = happenings::list_of_request(&mut tx, *id, self.at, LOOKED_AT).await?;
                    let full = page.len() >= LOOKED_AT as usize;
                    let until = page.last().filter(|_| full).map(|last| last.position);
                    (page, until)
                }
                Wanted::All { filter, .. } => {
                    happenings::list_all(&mut tx, filter, self.at, LOOKED_AT).await?
                }
            };
            let commitment = page.iter().position(|one| one.kind == HappeningKind::CommitmentLanded);
            let cut = commitment.filter(|_| self.wanted.points());
            if let Some(cut) = cut {
                page.truncate(cut + 1);
            }
            batch.told.extend(load(&mut tx, &page).await?);
            if let Some(Happening { position, .. }) = page.last() {
                self.last = Some(*position);
                self.at = *position;
            }
            match cut {
                Some(_) => {
                    self.pending = Some(Pending { commitment: self.at, after: None, since: now });
                }
                None => match until {
                    Some(until) => {
                        self.at = until;
                        batch.more = true;
                        break;
                    }
                    None => {
                        self.at = self.at.max(Position::end_of(cursor.number.0));
                        if let Wanted::Request(id) = self.wanted {
                            batch.ended = training::find_closing(&mut tx, id).await?.is_some();
                        }
                        break;
                    }
                },
            }
        }
        let block = prefix(cursor.hash);
        self.known = Some(Known { number: cursor.number.0, block, eventful: false });
        Ok(batch)
    }

    /// Forgets what a reorg took back, and tells of it where any of it was told.
    fn go_back(
        &mut self,
        number: u64,
        hash: Option<alloy::primitives::B256>,
        block: Option<BlockRef>,
        batch: &mut Batch,
    ) {
        let end = Position::end_of(number);
        if self.at > end {
            self.at = end;
            self.pending = None;
        }
        if self.last.is_some_and(|last| last > end) {
            self.last = Some(end);
            batch.told.push(Told {
                kind: EventType::Rollback,
                position: end.number().to_string(),
                request_id: None,
                block,
                body: None,
                id: EventId { position: end, sequence: None, block: hash.map(prefix) },
            });
        }
    }

    /// The next points of the pending commitment. Answers whether to read on.
    async fn read_points(
        &mut self,
        conn: &mut Conn,
        now: Instant,
        batch: &mut Batch,
    ) -> Result<bool, StoreError> {
        let Some(pending) = self.pending else { return Ok(true) };
        let Some(fetch) = points::find_fetch(conn, pending.commitment).await? else {
            self.pending = None;
            return Ok(true);
        };
        let untried = match fetch.status {
            FetchStatus::Waiting => true,
            FetchStatus::Unavailable => fetch.tries < TRIES,
            FetchStatus::Stored | FetchStatus::Invalid => false,
        };
        if untried && now.saturating_duration_since(pending.since) < PATIENCE {
            return Ok(false);
        }
        let rows = points::list_points_of(conn, pending.commitment, pending.after, POINTS).await?;
        let last = rows.last().map(|row| row.sequence);
        // What is not here is said once; points that were told need no word more.
        let absent = fetch.status != FetchStatus::Stored && pending.after.is_none();
        if last.is_some() || absent {
            let block = blocks::find_block(conn, pending.commitment.block()).await?;
            let shown: Vec<Point> = rows.into_iter().map(Point::from).collect();
            let full = shown.len() >= POINTS as usize;
            batch.told.push(Told {
                kind: EventType::Points,
                position: pending.commitment.number().to_string(),
                request_id: Some(fetch.request.into()),
                id: EventId {
                    position: pending.commitment,
                    sequence: last,
                    block: block.as_ref().map(|block| prefix(block.hash)),
                },
                block: block.map(BlockRef::from),
                body: Some(Body::Points(Points { status: fetch.status.into(), points: shown })),
            });
            if full {
                self.pending = Some(Pending { after: last, ..pending });
                return Ok(true);
            }
        }
        self.pending = None;
        Ok(true)
    }
}
