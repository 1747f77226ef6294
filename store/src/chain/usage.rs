//! Who used a collection, how much and when, summed exactly from settled vouchers. Records are what payers' vouchers say: nobody
//! proves them, and whoever pays says them.

use alloy::primitives::{Address, U256};
use offsetdata_protocol::ids::CollectionId;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::codec::{Column, Count, Put};
use crate::{Conn, StoreError};

use super::billing::whole;

/// Sum of what was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Who paid, where the sums are by payer.
    pub payer: Option<Address>,
    /// Days since 1970-01-01, where the sums are by day.
    pub day: Option<u64>,
    /// Records, as the vouchers say.
    pub records: u64,
    /// What was paid.
    pub paid: U256,
    /// Settlements.
    pub settlements: u64,
}

/// By what sums are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageBy {
    /// Each payer for itself.
    pub payer: bool,
    /// Each day (UTC, of the block) for itself.
    pub day: bool,
}

/// Whose usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageFilter {
    /// Only by this payer.
    pub payer: Option<Address>,
    /// Only paid to this payee. Without one: to payees that an offer of the collection ever named, as anyone may
    /// settle a voucher with itself about any collection.
    pub payee: Option<Address>,
    /// Not before this day.
    pub from_day: Option<u64>,
    /// Not after this day.
    pub to_day: Option<u64>,
}

/// Usage of a collection, newest day and then greatest payer first, at most `limit` rows.
///
/// # Errors
/// A database that can't be read.
pub async fn list_usage(
    conn: &mut Conn,
    collection: CollectionId,
    filter: UsageFilter,
    by: UsageBy,
    limit: u32,
) -> Result<Vec<Usage>, StoreError> {
    let mut values = vec![collection.value()];
    let mut bind = |value| {
        values.push(value);
        format!("${}", values.len())
    };
    // A day takes part of a lane, so that what a lane had before has to be subtracted: before days are told apart.
    let payees = match filter.payee {
        Some(payee) => format!("v.payee = {}", bind(payee.value())),
        None => {
            "exists (select 1 from offers o where o.collection = v.collection and o.payee = v.payee)".into()
        }
    };
    let payers = match filter.payer {
        Some(payer) => format!("and v.payer = {}", bind(payer.value())),
        None => String::new(),
    };
    let mut days = String::new();
    if let Some(day) = filter.from_day {
        days += &format!(" and day >= {}", bind(Count(day).value()));
    }
    if let Some(day) = filter.to_day {
        days += &format!(" and day <= {}", bind(Count(day).value()));
    }
    let mut columns = Vec::new();
    if by.day {
        columns.push("day");
    }
    if by.payer {
        columns.push("payer");
    }
    let limit = bind(limit.value());
    let group = if columns.is_empty() { String::new() } else { format!("group by {}", columns.join(", ")) };
    let order = match (by.day, by.payer) {
        (true, true) => "order by day desc, payer",
        (true, false) => "order by day desc",
        (false, true) => "order by payer",
        (false, false) => "",
    };
    let named = columns.iter().map(|column| format!("{column}, ")).collect::<String>();
    let sql = format!(
        "select {named} cast(count(*) as bigint) as settlements,
                cast(coalesce(sum(read_0), 0) as bigint) as read_0, cast(coalesce(sum(read_1), 0) as bigint) as read_1,
                cast(coalesce(sum(paid_0), 0) as bigint) as paid_0, cast(coalesce(sum(paid_1), 0) as bigint) as paid_1,
                cast(coalesce(sum(paid_2), 0) as bigint) as paid_2, cast(coalesce(sum(paid_3), 0) as bigint) as paid_3
         from (select v.payer as payer, b.timestamp / 86400 as day, v.paid_0, v.paid_1, v.paid_2, v.paid_3,
                      v.records_0 - lag(v.records_0, 1, 0) over lanes as read_0,
                      v.records_1 - lag(v.records_1, 1, 0) over lanes as read_1
               from voucher_settlements v join blocks b on b.number = v.position / 1048576
               where v.collection = $1 and {payees} {payers}
               window lanes as (partition by v.payer, v.payee, v.lane order by v.position)) as settled
         where 1 = 1 {days} {group} {order} limit {limit}"
    );
    let mut statement = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        statement = statement.put_value(value);
    }
    statement.fetch_all(conn).await?.iter().map(|row| read(row, by)).collect()
}

fn read(row: &AnyRow, by: UsageBy) -> Result<Usage, StoreError> {
    let records = i128::from(i64::read(row, "read_0")?) + (i128::from(i64::read(row, "read_1")?) << 32);
    let part = |column| Count::read(row, column);
    Ok(Usage {
        payer: if by.payer { Some(Address::read(row, "payer")?) } else { None },
        day: if by.day { Some(Count::read(row, "day")?.0) } else { None },
        // A payer may sign a voucher with fewer records than the one before; nothing is then counted.
        records: u64::try_from(records.max(0)).unwrap_or(u64::MAX),
        paid: whole([part("paid_0")?, part("paid_1")?, part("paid_2")?, part("paid_3")?]),
        settlements: Count::read(row, "settlements")?.0,
    })
}
