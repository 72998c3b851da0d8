//! The znode tree: typed paths and records, conditional writes, a mirror that lists and watches, and a twin of the
//! whole in memory for simulation. ZooKeeper's client stays inside.

mod acl;
mod metron;
mod mirror;
mod op;
mod path;
mod queue;
mod read;
mod record;
mod session;
mod specs;
mod syncs;
pub mod twin;
mod write;

pub use metron::{ModelEndpoint, ServiceInstance, Url};
pub use mirror::{Change, Mirror, mirror};
pub use op::{CommitError, Done, Op, Refusal, Stat};
pub use path::{Node, Root, RootError};
pub use queue::{QUEUE_PREFIX, QueueItem, QueueSeen, QueueWatch, watch_queue};
pub use read::ReadError;
pub use record::{
    Build, Endpoint, EpochRecord, Event, EventKind, EventRing, Exit, InstanceRecord, LeaderRecord, Phase, PinnedFile,
    Programs, RecordError, RefusedUpgrade, Revision, RunnerReport, StopRequest, Stopping, SyncCondition, SyncDrift,
    SyncFault, SyncInventory, SyncOwner, SyncRecord, SyncSpec, SyncStatus, UpgradeRequest, Waiting, decode_status,
    encode_status,
};
pub use session::{ClientError, Config, OpenError, Store};
pub use specs::{
    EditError, SPEC_LIMIT, SpecEdit, SpecRead, create_spec, delete_spec, get_spec, list_specs, rehearse_spec,
    update_spec,
};
pub use syncs::{
    SyncRead, SyncReadError, create_sync, delete_sync, get_sync, get_sync_owner, own_sync, rehearse_delete_sync,
    update_sync,
};
