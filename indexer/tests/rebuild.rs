//! After any sequence of blocks and reorgs the database equals one that saw only the blocks that stand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use alloy::primitives::{B256, keccak256};
use proptest::prelude::*;
use support::{Database, MadeBlock, apply, deployment, events, log, undo_above};

/// One step of a made-up history.
#[derive(Debug, Clone)]
enum Happening {
    /// A block with events of these kinds.
    Block(Vec<u8>),
    /// The last blocks, at most so many, are gone.
    Reorg(usize),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let step = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..5).prop_map(Happening::Block),
        1 => (1usize..6).prop_map(Happening::Reorg),
    ];
    prop::collection::vec(step, 1..24)
}

/// A block with events that no earlier block had: `fresh` counts what was made so far.
fn block(number: u64, kinds: &[u8], fresh: &mut u64) -> MadeBlock {
    let deployment = deployment(31_337, 1);
    *fresh += 1;
    let hash: B256 = keccak256(format!("block {number} {fresh}"));
    let mut emitted = Vec::new();
    for kind in kinds {
        *fresh += 1;
        let n = *fresh;
        match kind % 6 {
            0 => emitted.push((deployment.collection_registry, events::registered(n))),
            1 => emitted.push((deployment.training_coordinator, events::requested(n))),
            2 => emitted.push((
                deployment.training_coordinator,
                events::committed(n % 3, n as u32, n as u32, B256::with_last_byte(1)),
            )),
            3 => emitted.extend(events::model_requested(n).map(|event| (deployment.model_registry, event))),
            4 => emitted.push((deployment.training_coordinator, events::closed(n, 3 + (n % 4) as u8))),
            _ => emitted.push(events::other(&deployment, u64::from(*kind) * 31 + n)),
        }
    }
    let logs =
        (0u64..).zip(emitted).map(|(i, (address, data))| log(address, data, number, hash, i)).collect();
    MadeBlock { number, hash, logs }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn reorgs_leave_what_a_rebuild_has(history in happenings()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let deployment = deployment(31_337, 1);
            let (followed, rebuilt) = (Database::new().await, Database::new().await);
            let mut fresh = 0;
            let mut chain = vec![block(0, &[], &mut fresh)];
            let mut tx = followed.pool.write().await.unwrap();
            apply(&mut tx, &deployment, &chain).await;
            tx.commit().await.unwrap();
            for happening in &history {
                let mut tx = followed.pool.write().await.unwrap();
                match happening {
                    Happening::Block(kinds) => {
                        chain.push(block(chain.len() as u64, kinds, &mut fresh));
                        apply(&mut tx, &deployment, &chain[chain.len() - 1..]).await;
                    }
                    Happening::Reorg(depth) => {
                        chain.truncate(chain.len().saturating_sub(*depth).max(1));
                        let last = &chain[chain.len() - 1];
                        undo_above(&mut tx, &deployment, last.number, last.hash).await;
                    }
                }
                tx.commit().await.unwrap();
            }
            let mut tx = rebuilt.pool.write().await.unwrap();
            apply(&mut tx, &deployment, &chain).await;
            tx.commit().await.unwrap();
            prop_assert_eq!(followed.dump().await, rebuilt.dump().await);
            Ok(())
        })?;
    }
}
