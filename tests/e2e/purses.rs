//! One reader takes one offer after the other and reads to the end each time, long before anything is settled: what an
//! earlier purse promised stays payable, and the next one is no smaller for it.

use super::network::{Network, RECORD_PRICE, Settings};

const COLLECTIONS: usize = 4;
const MAILS: usize = 64;
const CHUNK: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_purse_pays_beside_those_before_it() {
    let network = Network::start(Settings::default()).await;
    network.node.at_once().await;
    let mut all = Vec::new();
    for number in 0..COLLECTIONS {
        let sold = network.sell(&format!("Mails {number}"), MAILS, CHUNK).await;
        let purse = network.purse(&sold, RECORD_PRICE * u128::from(sold.records)).await;
        let read = network.read(&sold, &purse, &format!("0..{MAILS}")).await;
        assert_eq!(read["verified"], MAILS, "{read}");
        all.push(sold);
    }
    network.check(&all.iter().collect::<Vec<_>>()).await;
}
