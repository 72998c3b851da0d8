//! Exit statuses that YARN gives (`org.apache.hadoop.yarn.api.records.ContainerExitStatus`); all others are the
//! process's own.

/// Has not ended, or ended without a status: localisation failed, for one.
pub const INVALID: i32 = -1000;
/// Released by the application, lost with its node, or not fetched.
pub const ABORTED: i32 = -100;
/// Too few disks of the node are well.
pub const DISKS_FAILED: i32 = -101;
/// Taken by the scheduler for another queue.
pub const PREEMPTED: i32 = -102;
/// Above its virtual memory.
pub const KILLED_EXCEEDED_VMEM: i32 = -103;
/// Above its memory.
pub const KILLED_EXCEEDED_PMEM: i32 = -104;
/// Stopped by the application master.
pub const KILLED_BY_APPMASTER: i32 = -105;
/// Killed by the ResourceManager.
pub const KILLED_BY_RESOURCEMANAGER: i32 = -106;
/// The application had ended.
pub const KILLED_AFTER_APP_COMPLETION: i32 = -107;
/// Killed by the NodeManager's own scheduler.
pub const KILLED_BY_CONTAINER_SCHEDULER: i32 = -108;
/// Its logs grew too large.
pub const KILLED_FOR_EXCESS_LOGS: i32 = -109;
