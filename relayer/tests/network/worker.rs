//! A worker that signs what a test tells it to. It trains nothing, as no test here needs weights.

use std::time::Duration;

use alloy::primitives::aliases::{U40, U48};
use alloy::primitives::{B256, Bytes};
use alloy::signers::SignerSync;
use alloy::sol_types::SolStruct;
use offsetdata_protocol::messages::{WorkerHello, relay_domain};
use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, PointsBlock, series_root};
use offsetdata_protocol::worker_api::{
    ArtifactStored, CommitmentUpload, Finish, Hello, JobOffer, Problem, Welcome,
};
use offsetdata_protocol::{Digest, messages};
use offsetdata_sdk::{Account, Chain};
use serde_json::{Value, json};

use super::{Network, TRAINER};

/// A worker's session: it signs what a test tells it to.
pub(crate) struct Worker {
    pub(crate) account: Account,
    url: String,
    token: String,
    client: reqwest::Client,
    chain: Chain,
}

impl Worker {
    pub(crate) async fn open(network: &Network, account: Account) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let deployment = network.chain.deployment();
        let domain = relay_domain(deployment.chain_id, deployment.training_coordinator);
        let url = network.relayer_url.clone();
        for _ in 0..600 {
            let issued_at =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let hello = WorkerHello {
                worker: account.address(),
                audience: url.clone(),
                issuedAt: U40::from(issued_at),
            };
            let signature =
                account.signer().sign_hash_sync(&hello.eip712_signing_hash(&domain)).unwrap().as_bytes();
            let body = Hello {
                worker: account.address(),
                trainers: vec![TRAINER],
                issued_at,
                signature: signature.to_vec().into(),
            };
            let answer = client.post(format!("{url}/v1/workers")).json(&body).send().await.unwrap();
            if answer.status().is_success() {
                let welcome: Welcome = answer.json().await.unwrap();
                let chain = network.chain.clone();
                return Self { account, url, token: welcome.token, client, chain };
            }
            // The index may not know the base yet, or a hello of this second was used.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("no session");
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let call = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        call.json(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, body: Vec<u8>) -> reqwest::Response {
        let call = self.client.put(format!("{}{path}", self.url)).bearer_auth(&self.token);
        call.body(body).send().await.unwrap()
    }

    pub(crate) async fn claim(&self) -> JobOffer {
        for _ in 0..10 {
            let answer = self.post("/v1/claim", &json!({ "waitSeconds": 10 })).await;
            if answer.status() == 200 {
                return answer.json().await.unwrap();
            }
            assert_eq!(answer.status(), 204);
        }
        panic!("no job");
    }

    /// Says nothing until the lease of that attempt has ended, then claims again.
    pub(crate) async fn claim_after_loss(&self, lost: u8) -> JobOffer {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let jobs: Vec<Value> = self.get("/v1/jobs").await.json().await.unwrap();
            if jobs[0]["state"] == "queued" {
                break;
            }
        }
        let offer = self.claim().await;
        assert_eq!(offer.attempt, lost + 1);
        offer
    }

    fn sign(&self, message: &impl SolStruct) -> Bytes {
        let deployment = self.chain.deployment();
        let domain = messages::training_domain(deployment.chain_id, deployment.training_coordinator);
        let signed = self.account.signer().sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap();
        signed.as_bytes().to_vec().into()
    }

    /// A commitment over points `first … first + count − 1`, and the head after it.
    pub(crate) fn commitment(
        &self,
        offer: &JobOffer,
        sequence: u32,
        head: B256,
        first: u32,
        count: u32,
        units: u64,
    ) -> (CommitmentUpload, B256) {
        let points = PointsBlock::new(points(first, count)).unwrap().encode().unwrap();
        let message = messages::Commitment {
            request: offer.request,
            attempt: offer.attempt,
            sequence,
            previousHead: head,
            pointsDigest: Digest::of(&points).into(),
            pointCount: first + count,
            units: U48::from(units),
            lastValues: B256::ZERO,
        };
        let upload = CommitmentUpload {
            attempt: offer.attempt,
            sequence,
            previous_head: head,
            point_count: first + count,
            units,
            last_values: B256::ZERO,
            points: points.into(),
            signature: self.sign(&message),
        };
        (upload, message.eip712_hash_struct())
    }

    pub(crate) async fn commit(&self, offer: &JobOffer, upload: &CommitmentUpload) {
        let path = format!("/v1/jobs/{}/commitments", offer.request);
        let answer = self.post(&path, &json!(upload)).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Sends an artifact and the result over points `0 … count − 1`.
    pub(crate) async fn finish(
        &self,
        offer: &JobOffer,
        sequence: u32,
        head: B256,
        count: u32,
        units: u64,
        artifact: &[u8],
    ) -> Finish {
        let path = format!("/v1/jobs/{}/artifact?attempt={}", offer.request, offer.attempt);
        let stored: ArtifactStored = self.put(&path, artifact.to_vec()).await.json().await.unwrap();
        let cid = offsetdata_protocol::cid::parts(&stored.cid.parse().unwrap()).unwrap().1;
        let mut finish = Finish {
            attempt: offer.attempt,
            sequence,
            head,
            point_count: count,
            units,
            // Of the clear bytes, which the relayer does not have.
            artifact_digest: Digest::of(b"in the clear").into(),
            artifact_cid: cid.into(),
            series_root: series_root(&points(0, count)).unwrap().into(),
            inputs_root: B256::ZERO,
            result_values: B256::ZERO,
            signature: Bytes::new(),
        };
        let message = messages::Settlement {
            request: offer.request,
            attempt: finish.attempt,
            sequence,
            head,
            pointCount: count,
            units: U48::from(units),
            artifactDigest: finish.artifact_digest,
            artifactCid: finish.artifact_cid,
            seriesRoot: finish.series_root,
            inputsRoot: finish.inputs_root,
            resultValues: finish.result_values,
        };
        finish.signature = self.sign(&message);
        finish
    }
}

/// The points that every run measures.
pub(crate) fn points(first: u32, count: u32) -> Vec<MetricPoint> {
    (first..first + count)
        .map(|sequence| MetricPoint {
            sequence,
            step: sequence.into(),
            key: MetricKey::new("train/loss").unwrap(),
            value: MetricValue::from_f64(1.0 / f64::from(sequence + 1)),
        })
        .collect()
}

/// Status and word of a refusal.
pub(crate) async fn problem(answer: reqwest::Response) -> (u16, String) {
    let problem: Problem = answer.json().await.unwrap();
    (problem.status, problem.code)
}
