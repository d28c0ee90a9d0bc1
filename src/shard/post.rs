//! The end of a turn between shards: what each is sent, and what that does to credit.

use crate::core::Core;
use crate::mesh::credit::{Credit, Slip};
use crate::model::{ShardId, ShardMsg};

/// Takes out of the core of shard `from` what it has for each of `shards`, and hands it to `send`,
/// with the slip that goes with it: to everyone there are messages for, and to those who must hear
/// from this shard anyhow.
pub fn post(
    from: ShardId,
    shards: impl Iterator<Item = ShardId>,
    core: &mut Core,
    credit: &mut Credit,
    mut send: impl FnMut(ShardId, Slip, Vec<ShardMsg>),
) {
    credit.relax();
    for shard in core.destinations() {
        credit.used(shard, core.parcel_len(shard));
    }
    for to in shards {
        let messages = core.poll_parcel(to);
        if to == from || messages.is_none() && !credit.must_write(to) {
            continue;
        }
        send(to, credit.slip(to), messages.unwrap_or_default());
    }
}
