//! Conditional writes: the words that the real tree and its twin share.

use std::fmt;

use crate::acl::IDENTITY;

/// Most bytes of one request: the server's default `jute.maxbuffer` is 1 MiB, and what passes it closes the connection.
const REQUEST_LIMIT: usize = 1_000_000;

/// One operation of a multi. A multi happens whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create a node; its parent must exist and gives its ACL.
    Create {
        /// Where.
        path: String,
        /// What it holds.
        data: Vec<u8>,
        /// It goes with this session.
        ephemeral: bool,
    },
    /// Replace a node's data.
    Set {
        /// Where.
        path: String,
        /// What it shall hold.
        data: Vec<u8>,
        /// The version it must have; any, when none is named.
        version: Option<i32>,
    },
    /// Delete a node without children.
    Delete {
        /// Where.
        path: String,
        /// The version it must have; any, when none is named.
        version: Option<i32>,
    },
    /// Do nothing, but fail unless the node has this version.
    Check {
        /// Where.
        path: String,
        /// The version it must have.
        version: i32,
    },
}

impl Op {
    /// The path it speaks of.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Set { path, .. }
            | Self::Delete { path, .. }
            | Self::Check { path, .. } => path,
        }
    }

    /// Bytes it adds to a request.
    fn size(&self) -> usize {
        let data = match self {
            Self::Create { data, .. } | Self::Set { data, .. } => data.len(),
            Self::Delete { .. } | Self::Check { .. } => 0,
        };
        self.path().len() + data + 64
    }
}

/// Refuses a multi that is larger than a request may be.
pub(crate) fn check_size(ops: &[Op]) -> Result<(), CommitError> {
    let size = ops.iter().map(Op::size).sum();
    if size <= REQUEST_LIMIT {
        return Ok(());
    }
    let path = ops.iter().max_by_key(|op| op.size()).map(|op| op.path().to_owned()).unwrap_or_default();
    Err(CommitError::TooLarge { path, size, limit: REQUEST_LIMIT })
}

/// What the server says of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Transaction that created it: the uid of what it holds.
    pub czxid: i64,
    /// Transaction that changed it last.
    pub mzxid: i64,
    /// Changes of its data.
    pub version: i32,
    /// The session it goes with; 0 for one that stays.
    pub ephemeral_owner: i64,
    /// When it was created, in milliseconds since the epoch.
    pub ctime_ms: i64,
    /// When it was changed last, in milliseconds since the epoch.
    pub mtime_ms: i64,
    /// Children it has.
    pub num_children: i32,
}

/// What became of one operation of an accepted multi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Created. Servers before 3.7 tell no stat here: then it has version 0 and zxids of 0.
    Created(Stat),
    /// Set.
    Set(Stat),
    /// Deleted.
    Deleted,
    /// Checked.
    Checked,
}

impl Done {
    /// The node's stat after it.
    #[must_use]
    pub fn stat(&self) -> Option<&Stat> {
        match self {
            Self::Created(stat) | Self::Set(stat) => Some(stat),
            Self::Deleted | Self::Checked => None,
        }
    }
}

/// Why an operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It exists already.
    NodeExists,
    /// It, or its parent, does not exist.
    NoNode,
    /// It has another version.
    BadVersion,
    /// It has children.
    NotEmpty,
    /// Its parent is ephemeral.
    NoChildrenForEphemerals,
    /// This identity may not.
    NoAuth,
    /// The server would not, for a reason of its own.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NodeExists => "it exists already",
            Self::NoNode => "it, or its parent, does not exist",
            Self::BadVersion => "it was changed meanwhile",
            Self::NotEmpty => "it has children",
            Self::NoChildrenForEphemerals => "its parent is ephemeral",
            Self::NoAuth => {
                return write!(
                    f,
                    "{IDENTITY}, as whom ZooKeeper was asked, may not write there: let who administers it add the right w, or, to create or delete it, c or d on the node above (setAcl in zkCli.sh), or work in another namespace or below another root"
                );
            }
            Self::Other => "the server refused it",
        })
    }
}

/// Why a multi was not accepted, or why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// One operation was refused, so that none happened.
    #[error("{path}: {why}")]
    Refused {
        /// Which one, from 0.
        index: usize,
        /// Its path.
        path: String,
        /// Why.
        why: Refusal,
    },
    /// Larger than a request may be; nothing was sent.
    #[error("{path}: {size} bytes are more than the {limit} that a write may have")]
    TooLarge {
        /// The path of the largest operation.
        path: String,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The connection or the deadline ended before the answer came: it may have happened.
    #[error("ZooKeeper did not answer: the write may or may not have happened ({0})")]
    Unknown(String),
    /// There is no session: nothing was sent.
    #[error("no ZooKeeper session: nothing was written ({0})")]
    Unavailable(String),
}

impl CommitError {
    /// Whether it may have happened all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether someone else was faster: what was seen is no longer so.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        use Refusal::{BadVersion, NoNode, NodeExists, NotEmpty};
        matches!(self, Self::Refused { why: NodeExists | NoNode | BadVersion | NotEmpty, .. })
    }

    /// The place of the refused operation in its multi.
    #[must_use]
    pub fn refused_at(&self) -> Option<usize> {
        match self {
            Self::Refused { index, .. } => Some(*index),
            Self::TooLarge { .. } | Self::Unknown(_) | Self::Unavailable(_) => None,
        }
    }

    /// Why the operation was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { why, .. } => Some(*why),
            Self::TooLarge { .. } | Self::Unknown(_) | Self::Unavailable(_) => None,
        }
    }
}
