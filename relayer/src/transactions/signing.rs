//! Signed forms of a transaction (EIP-1559, EIP-2718). It stores and sends nothing.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use offsetdata_store::Count;
use offsetdata_store::relay::transactions::EnvelopeRow;

use super::fees::Fees;
use crate::RelayerError;

/// What is signed.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) chain_id: u64,
    pub(super) transaction: u64,
    pub(super) nonce: u64,
    pub(super) to: Address,
    pub(super) calldata: Bytes,
    pub(super) gas_limit: u64,
    pub(super) fees: Fees,
}

/// Signs a form; the row is to be stored before its bytes are sent.
pub(super) fn seal(
    signer: &PrivateKeySigner,
    form: Form,
    head: u64,
    now: u64,
) -> Result<EnvelopeRow, RelayerError> {
    let unsigned = TxEip1559 {
        chain_id: form.chain_id,
        nonce: form.nonce,
        gas_limit: form.gas_limit,
        max_fee_per_gas: form.fees.max_fee,
        max_priority_fee_per_gas: form.fees.priority_fee,
        to: TxKind::Call(form.to),
        value: U256::ZERO,
        access_list: Default::default(),
        input: form.calldata,
    };
    let signature = signer.sign_hash_sync(&unsigned.signature_hash())?;
    let envelope = TxEnvelope::from(unsigned.into_signed(signature));
    Ok(EnvelopeRow {
        hash: *envelope.tx_hash(),
        transaction_id: Count(form.transaction),
        nonce: Count(form.nonce),
        raw: envelope.encoded_2718().into(),
        max_fee: form.fees.max_fee,
        priority_fee: form.fees.priority_fee,
        gas_limit: Count(form.gas_limit),
        signed_at: Count(now),
        signed_block: Count(head),
        sent_block: None,
    })
}
