//! The calls. Each reads the clock once, asks the part that knows, and answers.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use offsetdata_protocol::gateway_api::{
    Allowance, Challenge, ChallengeRequest, ChunkQuote, CollectionInfo, CreditTerms, GatewayInfo, KeyAnswer,
    KeyRequest, PermitUpload, ReceiptEvidence, RecordsAnswer, RecordsRequest, Sales, Session, SettleAnswer,
    SignIn, SpenderUpload, Statement, Text, TrainKeyAnswer, TrainKeyRequest, TrainingOpened, TrainingUpload,
    UseUpload, VoucherUpload, code,
};
use serde::Deserialize;

use super::body::{Account, Body, Guest, OfChunk, OfCollection, OfTraining, OfTrainingChunk};
use super::unix_now;
use crate::Refused;
use crate::context::Context;

type Answer<T> = Result<Json<T>, Refused>;

pub(super) async fn gateway(State(context): State<Context>, _: Guest) -> Json<GatewayInfo> {
    Json(GatewayInfo {
        audience: context.audience.clone(),
        chain_id: context.deployment.chain_id,
        collection_registry: context.deployment.collection_registry,
        access_token: context.deployment.access_token,
        usage_billing: context.deployment.usage_billing,
        token: context.deployment.token,
        signer: context.address(),
        sealing_key: context.sealing_key,
        confirmations: context.terms.confirmations,
        voucher_seconds: context.terms.voucher_seconds,
        credit: CreditTerms {
            cap: Text(context.terms.credit_cap),
            settle_after_seconds: context.settlement.settle_seconds,
        },
    })
}

pub(super) async fn challenge(
    State(context): State<Context>,
    _: Guest,
    Body(request): Body<ChallengeRequest>,
) -> Answer<Challenge> {
    context.challenge(request.account, unix_now()).map(Json)
}

pub(super) async fn sign_in(
    State(context): State<Context>,
    _: Guest,
    Body(sign_in): Body<SignIn>,
) -> Answer<Session> {
    context.sign_in(&sign_in, unix_now()).await.map(Json)
}

pub(super) async fn spender(
    State(context): State<Context>,
    Account(account): Account,
    Body(upload): Body<SpenderUpload>,
) -> Result<StatusCode, Refused> {
    context.keep_spender(account, &upload, unix_now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn allowance(
    State(context): State<Context>,
    Account(account): Account,
) -> Answer<Allowance> {
    context.allowance(account, unix_now()).await.map(Json)
}

pub(super) async fn permit(
    State(context): State<Context>,
    Account(account): Account,
    Body(upload): Body<PermitUpload>,
) -> Result<StatusCode, Refused> {
    context.keep_permit(account, &upload, unix_now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn collection(
    State(context): State<Context>,
    _: Guest,
    OfCollection(id): OfCollection,
) -> Answer<CollectionInfo> {
    context.describe(id).await.map(Json)
}

pub(super) async fn quote(
    State(context): State<Context>,
    Account(account): Account,
    OfChunk(id, ordinal): OfChunk,
) -> Answer<ChunkQuote> {
    context.quote(account, id, ordinal, unix_now()).await.map(Json)
}

pub(super) async fn key(
    State(context): State<Context>,
    Account(account): Account,
    OfChunk(id, ordinal): OfChunk,
    Body(request): Body<KeyRequest>,
) -> Answer<KeyAnswer> {
    context.release_key(account, id, ordinal, &request, unix_now()).await.map(Json)
}

pub(super) async fn records(
    State(context): State<Context>,
    Guest(account): Guest,
    OfCollection(id): OfCollection,
    Body(request): Body<RecordsRequest>,
) -> Answer<RecordsAnswer> {
    context.records(account, id, &request, unix_now()).await.map(Json)
}

pub(super) async fn voucher(
    State(context): State<Context>,
    Account(account): Account,
    OfCollection(id): OfCollection,
    Body(voucher): Body<VoucherUpload>,
) -> Result<StatusCode, Refused> {
    context.renew_voucher(account, id, &voucher, unix_now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn word_of_use(
    State(context): State<Context>,
    Account(account): Account,
    OfCollection(id): OfCollection,
    Body(upload): Body<UseUpload>,
) -> Result<StatusCode, Refused> {
    context.keep_use(account, id, &upload, unix_now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn statement(
    State(context): State<Context>,
    Account(account): Account,
    OfCollection(id): OfCollection,
) -> Answer<Statement> {
    context.statement(account, id).await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<String>,
}

pub(super) async fn sales(
    State(context): State<Context>,
    Account(account): Account,
    OfCollection(id): OfCollection,
    after: Result<Query<After>, QueryRejection>,
) -> Answer<Sales> {
    let Query(After { after }) = after.map_err(|error| Refused::new(code::MALFORMED, error.body_text()))?;
    context.sales(account, id, after.as_deref()).await.map(Json)
}

pub(super) async fn settle(
    State(context): State<Context>,
    Account(account): Account,
    OfCollection(id): OfCollection,
) -> Result<(StatusCode, Json<SettleAnswer>), Refused> {
    let answer = context.settle_collection(account, id, unix_now()).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

pub(super) async fn training(
    State(context): State<Context>,
    Account(account): Account,
    OfTraining(request): OfTraining,
    Body(upload): Body<TrainingUpload>,
) -> Answer<TrainingOpened> {
    context.open_training(account, request, &upload, unix_now()).await.map(Json)
}

pub(super) async fn training_key(
    State(context): State<Context>,
    Account(account): Account,
    OfTrainingChunk(request, input, ordinal): OfTrainingChunk,
    Body(body): Body<TrainKeyRequest>,
) -> Answer<TrainKeyAnswer> {
    context.release_training_key(account, request, input, ordinal, &body, unix_now()).await.map(Json)
}

pub(super) async fn receipts(
    State(context): State<Context>,
    Account(account): Account,
    OfTraining(request): OfTraining,
) -> Answer<Vec<ReceiptEvidence>> {
    context.receipts(account, request).await.map(Json)
}

/// The process runs.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Database and chain answer, and the newest block is young enough to sell by.
pub(super) async fn ready(State(context): State<Context>) -> Result<&'static str, Refused> {
    drop(context.pool.acquire().await?);
    context.fresh_head(unix_now()).await?;
    Ok("ready\n")
}

pub(super) async fn metrics(State(context): State<Context>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], context.metrics.text()).into_response()
}
