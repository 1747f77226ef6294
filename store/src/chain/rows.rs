//! All rows of a range of blocks, written and taken back together. It knows not what they mean.

use sqlx::AssertSqlSafe;

use crate::codec::Put;
use crate::record::{Record, insert};
use crate::{Conn, StoreError};

use super::Position;
use super::access::OfferRow;
use super::billing::{
    DepositEventRow, RevenueRow, ShareClaimRow, SpenderRow, VoucherSettlementRow, VoucherSkipRow,
};
use super::collections::{
    CollectionAppendRow, CollectionFlagRow, CollectionKeyRow, CollectionRow, MetadataRevisionRow,
    PublisherTransferRow, RetirementRow,
};
use super::documents::{DescriptionRow, DocumentFetchRow, ManifestFieldRow, ManifestRow, TermRow};
use super::models::{
    BaseRow, MethodRow, ModelAccessRow, ModelRow, ModelTransferRow, ModelVisibilityRow, ProjectRow, WorkerRow,
};
use super::payments::{ChangeCreditRow, WithdrawalRow};
use super::points::{PointRow, PointsFetchRow};
use super::requests::{RequestInputRow, RequestedRow};
use super::rights::{AccessDenialRow, AccessEventRow, TrainerRow};
use super::training::{
    AttemptRow, CancellationRow, ClosingRow, CommitmentRow, DataPaymentRow, DataReleaseRow,
    UnitCollectionRow, VersionRow,
};

macro_rules! chain_rows {
    ($($field:ident: $row:ident,)*) => {
        /// Rows by table, each list in the order of the chain.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct ChainRows {
            $(#[doc = concat!("Rows of `", stringify!($field), "`.")] pub $field: Vec<$row>,)*
        }

        impl ChainRows {
            /// Inserts all.
            ///
            /// # Errors
            /// A row that is there already (`is_duplicate`); a database that can't be written.
            pub async fn insert(&self, conn: &mut Conn) -> Result<(), StoreError> {
                $(insert(conn, &self.$field).await?;)*
                Ok(())
            }

            /// Number of rows.
            pub fn len(&self) -> usize {
                0 $(+ self.$field.len())*
            }

            /// Whether there is no row.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        /// All tables that hold an event a row, and what is to be fetched for it.
        pub const TABLES: &[&str] = &[$($row::TABLE,)*];

        /// Tables of what blocks say that events name. They go with the events in a reorg.
        pub const FETCHED_TABLES: &[&str] = &[
            PointRow::TABLE,
            DescriptionRow::TABLE,
            TermRow::TABLE,
            ManifestRow::TABLE,
            ManifestFieldRow::TABLE,
        ];
    };
}

chain_rows! {
    metadata_revisions: MetadataRevisionRow,
    retirements: RetirementRow,
    collections: CollectionRow,
    collection_appends: CollectionAppendRow,
    collection_keys: CollectionKeyRow,
    collection_flags: CollectionFlagRow,
    publisher_transfers: PublisherTransferRow,
    offers: OfferRow,
    access_events: AccessEventRow,
    access_denials: AccessDenialRow,
    trainers: TrainerRow,
    change_credits: ChangeCreditRow,
    withdrawals: WithdrawalRow,
    voucher_settlements: VoucherSettlementRow,
    voucher_skips: VoucherSkipRow,
    spender_events: SpenderRow,
    deposit_events: DepositEventRow,
    revenue_collections: RevenueRow,
    share_claims: ShareClaimRow,
    bases: BaseRow,
    methods: MethodRow,
    workers: WorkerRow,
    projects: ProjectRow,
    models: ModelRow,
    model_transfers: ModelTransferRow,
    model_visibilities: ModelVisibilityRow,
    model_accesses: ModelAccessRow,
    requests: RequestedRow,
    request_inputs: RequestInputRow,
    attempts: AttemptRow,
    commitments: CommitmentRow,
    data_payments: DataPaymentRow,
    unit_collections: UnitCollectionRow,
    cancellations: CancellationRow,
    versions: VersionRow,
    closings: ClosingRow,
    data_releases: DataReleaseRow,
    points_fetches: PointsFetchRow,
    document_fetches: DocumentFetchRow,
}

/// Takes back everything above block `block`: rows, what was fetched for them, and blocks. The cursor is the caller's.
///
/// # Errors
/// A database that can't be written.
pub async fn rollback_above(conn: &mut Conn, block: u64) -> Result<(), StoreError> {
    for table in TABLES.iter().chain(FETCHED_TABLES) {
        sqlx::query(AssertSqlSafe(format!("delete from {table} where position > $1")))
            .put(&Position::end_of(block))
            .execute(&mut *conn)
            .await?;
    }
    sqlx::query("delete from blocks where number > $1").put(&crate::Count(block)).execute(conn).await?;
    Ok(())
}
