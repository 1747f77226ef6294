//! Where the fetch of a block stands that an event names by its digest. It fetches nothing.

use crate::codec::coded;

coded! {
    /// Whether the block is here.
    FetchStatus "0 to 3" {
        /// Not asked for yet. Followed by any other.
        Waiting = 0,
        /// What it says is here. Final.
        Stored = 1,
        /// Nobody had it so far; it is asked for from time to time. Followed by `Stored` or `Invalid`.
        Unavailable = 2,
        /// It is there and is not what it should be. Final.
        Invalid = 3,
    }
}
