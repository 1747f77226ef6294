//! What Prometheus reads: counted in the rows at the moment of asking, so that a restart changes nothing. It names no
//! account but the signers.

use std::sync::atomic::AtomicU64;

use offsetdata_store::chain::blocks;
use offsetdata_store::relay::counts::{self, Counts};
use offsetdata_store::relay::sponsored;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::RelayerError;
use crate::sponsor::Sponsor;
use crate::transactions::Lanes;

const DAY: u64 = 86_400;
const WEI_PER_ETHER: f64 = 1e18;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Word {
    is: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Signer {
    signer: String,
}

/// The text of `/metrics`.
///
/// # Errors
/// The database. A node that does not answer leaves its figures out.
pub(crate) async fn text(sponsor: &Sponsor, lanes: &Lanes, now: u64) -> Result<String, RelayerError> {
    let mut registry = Registry::with_prefix("offsetdata_relayer");
    let mut conn = sponsor.pool.acquire().await?;
    for (name, help, found) in [
        ("jobs", "Jobs, by state", counts::jobs_by_state(&mut conn).await?),
        ("transactions", "Transactions, by state", counts::transactions_by_state(&mut conn).await?),
        ("landed", "Transactions that stand in a block, by kind", counts::landed_by_kind(&mut conn).await?),
        ("gas_used", "Gas that they used, by kind", counts::gas_by_kind(&mut conn).await?),
        (
            "predictions",
            "Predictions of the last day, by state",
            counts::predictions_by_state(&mut conn).await?,
        ),
    ] {
        register(&mut registry, name, help, found);
    }
    single(&mut registry, "leases", "Leases that run", counts::leases(&mut conn).await? as f64);
    let (used, _) = sponsored::sum_since(&mut conn, None, now.saturating_sub(DAY)).await?;
    single(&mut registry, "sponsored_gas", "Gas paid for users within a day", used as f64);
    let budget = sponsor.settings.sponsor_gas_per_day;
    single(
        &mut registry,
        "sponsor_gas_budget",
        "Gas that is paid for users within a day at most",
        budget as f64,
    );
    let indexed = blocks::head(&mut conn).await?;
    drop(conn);
    if let Ok(head) = sponsor.chain.head().await {
        single(&mut registry, "head", "Number of the newest block", head.number as f64);
        single(
            &mut registry,
            "head_age_seconds",
            "Age of the newest block",
            now.saturating_sub(head.timestamp) as f64,
        );
        let lag = indexed.map_or(head.number, |cursor| head.number.saturating_sub(cursor.number.0));
        single(&mut registry, "index_lag_blocks", "Blocks that the index is behind", lag as f64);
    }
    signers(&mut registry, lanes);
    let mut text = String::new();
    encode(&mut text, &registry)
        .map_err(|error| RelayerError::Corrupt { what: "metrics", reason: error.to_string() })?;
    Ok(text)
}

fn register(registry: &mut Registry, name: &'static str, help: &'static str, found: Counts) {
    let family = Family::<Word, Gauge>::default();
    for (is, number) in found {
        family.get_or_create(&Word { is }).set(i64::try_from(number).unwrap_or(i64::MAX));
    }
    registry.register(name, help, family);
}

fn signers(registry: &mut Registry, lanes: &Lanes) {
    let (balances, empty) =
        (Family::<Signer, Gauge<f64, AtomicU64>>::default(), Family::<Signer, Gauge>::default());
    let (held, in_flight) = (Family::<Signer, Gauge>::default(), Family::<Signer, Gauge>::default());
    for lane in lanes.list() {
        let signer = Signer { signer: lane.signer.to_string() };
        balances.get_or_create(&signer).set(f64::from(lane.balance) / WEI_PER_ETHER);
        empty.get_or_create(&signer).set(lane.is_empty.into());
        held.get_or_create(&signer).set(lane.is_held.into());
        in_flight.get_or_create(&signer).set(i64::try_from(lane.in_flight).unwrap_or(i64::MAX));
    }
    registry.register("signer_balance_ether", "What a signer has to pay gas with", balances);
    registry.register("signer_empty", "1 where a signer can't pay for gas", empty);
    registry.register("signer_held", "1 where this process sends for a signer", held);
    registry.register("signer_in_flight", "Transactions of a signer that wait for a block", in_flight);
}

fn single(registry: &mut Registry, name: &'static str, help: &'static str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}
