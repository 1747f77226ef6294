//! Weights and optimizer states as bytes (burnpack, burn's own record format), and back. The bytes may be hostile:
//! shapes and numbers are checked, and where burn panics an error comes out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Tensor};

/// The network's weights. Equal weights are equal bytes.
pub(super) fn bytes<N: Module>(network: N) -> Result<Vec<u8>, String> {
    network.into_record().into_bytes().map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
}

/// Puts weights into a network of their shapes. All must be finite numbers.
pub(super) fn load<N: Module>(network: N, weights: &[u8]) -> Result<N, String> {
    let weights = Bytes::from_bytes_vec(weights.to_vec());
    // burn panics on some malformed tensors instead of answering an error.
    let network = catch_unwind(AssertUnwindSafe(move || {
        let record = ModuleRecord::from_bytes(weights)?.cast_to_module_dtype();
        network.try_load_record(record)
    }))
    .map_err(|_| "the weights cannot be read".to_owned())?
    .map_err(|error| error.to_string())?;
    let mut finite = AllFinite(true);
    network.visit(&mut finite);
    if finite.0 { Ok(network) } else { Err("a weight is not a finite number".to_owned()) }
}

/// Gives an optimizer the state that it had.
pub(super) fn load_optimizer(optimizer: ModuleOptimizer, state: &[u8]) -> Result<ModuleOptimizer, String> {
    let state = Bytes::from_bytes_vec(state.to_vec());
    let (tensors, loaded) = catch_unwind(AssertUnwindSafe(move || {
        let record = OptimizerRecord::from_bytes(state)?;
        Ok::<_, burn::store::RecordError>((record.len(), optimizer.load_record(record)))
    }))
    .map_err(|_| "the optimizer's state cannot be read".to_owned())?
    .map_err(|error| error.to_string())?;
    // burn begins anew, silently, where a state does not fit its parameter.
    if loaded.to_record().len() != tensors {
        return Err("the optimizer's state is not whole".to_owned());
    }
    Ok(loaded)
}

struct AllFinite(bool);

impl ModuleVisitor for AllFinite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().try_into_vec_as::<f32>();
        self.0 &= values.is_ok_and(|values| values.iter().all(|value| value.is_finite()));
    }
}
