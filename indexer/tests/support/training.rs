//! A made-up training with its metric points. It asserts nothing.

use alloy::primitives::B256;
use offsetdata_content::Blocks;
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, PointsBlock};

use super::events::{self, word};
use super::{Database, MadeBlock, apply, deployment, log};

pub fn points_block(from: u32, to: u32) -> (B256, Vec<u8>) {
    let points = (from..to)
        .map(|sequence| MetricPoint {
            sequence,
            step: u64::from(sequence) * 10,
            key: MetricKey::new(if sequence.is_multiple_of(2) { "train/loss" } else { "train/accuracy" })
                .unwrap(),
            value: MetricValue::from_f64(if sequence == 3 { f64::NAN } else { f64::from(sequence) / 4.0 }),
        })
        .collect();
    let block = PointsBlock::new(points).unwrap().encode().unwrap();
    (PointsBlock::digest(&block).into(), block)
}

/// A training from its request to its end: two attempts, of which the second goes on from point 4 of six.
pub async fn circle(content: &Blocks) -> Database {
    let deployment = deployment(31_337, 1);
    let (registry, training) = (deployment.model_registry, deployment.training_coordinator);
    let database = Database::new().await;
    let ((first, first_block), (second, second_block)) = (points_block(0, 6), points_block(4, 9));
    content.put(RAW, &first_block).await.unwrap();
    content.put(RAW, &second_block).await.unwrap();
    let mut events_of = vec![
        vec![
            (deployment.collection_registry, events::registered(0)),
            (deployment.access_token, events::offer(0, 1, 5)),
        ],
        vec![
            (registry, events::base_published(0)),
            (registry, events::method_offered(0, "image-cnn", 7)),
            (registry, events::method_offered(0, "image-cnn", 8)),
            (registry, events::worker_set(0, 201, true)),
            (registry, events::worker_set(0, 202, true)),
            (registry, events::worker_set(0, 202, false)),
            (registry, events::project_created(0)),
        ],
        vec![],
        vec![(training, events::requested(1))],
        vec![(training, events::assigned(1, 1, 0)), (training, events::committed(1, 1, 6, first))],
        vec![(training, events::assigned(1, 2, 4)), (training, events::committed(1, 2, 9, second))],
        vec![(training, events::committed(1, 3, 12, B256::repeat_byte(0xee)))],
        vec![(training, events::version(1, 1)), (training, events::closed(1, 3))],
    ];
    events_of[2].extend(events::model_requested(1).map(|event| (registry, event)));
    for n in 2..8 {
        events_of[3].push((training, events::requested(n)));
    }
    let blocks: Vec<MadeBlock> = (0u64..)
        .zip(events_of)
        .map(|(number, emitted)| {
            let hash = word("block", number);
            let logs = (0u64..)
                .zip(emitted)
                .map(|(i, (address, data))| log(address, data, number, hash, i))
                .collect();
            MadeBlock { number, hash, logs }
        })
        .collect();
    let mut tx = database.pool.write().await.unwrap();
    apply(&mut tx, &deployment, &blocks).await;
    tx.commit().await.unwrap();
    database
}
