//! On a real NameNode and DataNode.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use maas_e2e::Cluster;
use maas_hdfs::{Error, Hdfs};

#[tokio::test]
async fn files_go_up_once_and_are_listed_and_deleted() {
    let cluster = Cluster::builder().hdfs_only().start().await.unwrap();
    let hdfs = Hdfs::open(&cluster.conf_dir(), Some("root")).unwrap();
    let local = tempfile::tempdir().unwrap();
    let file = local.path().join("rest.sh");
    std::fs::write(&file, vec![b'x'; 3 << 20]).unwrap();

    let up = hdfs.upload(&file, "/user/root/m/rest.sh").await.unwrap();
    assert_eq!((up.size, up.is_directory), (3 << 20, false));
    assert!(hdfs.clone().sent() >= 3 << 20, "{} bytes were counted", hdfs.sent());
    assert_eq!(up.url, format!("{}/user/root/m/rest.sh", cluster.hdfs_url()));
    let same = hdfs.stat(&format!("{}/user/root/m/rest.sh", cluster.hdfs_url())).await.unwrap();
    assert_eq!(same.as_ref(), Some(&up));
    assert_eq!(hdfs.stat("hdfs:///user/root/m/rest.sh").await.unwrap(), same);

    // Twice, and twice at once: one file, whose time does not change.
    let (a, b) = tokio::join!(hdfs.upload_once(&file, "/bin"), hdfs.upload_once(&file, "/bin"));
    let once = a.unwrap();
    assert_eq!(b.unwrap().path, once.path);
    let again = hdfs.upload_once(&file, "/bin").await.unwrap();
    assert_eq!(again, hdfs.stat(&once.path).await.unwrap().unwrap());
    assert_eq!(hdfs.list("/bin", 10).await.unwrap().len(), 1, "no parts are left");

    std::fs::write(&file, b"").unwrap();
    assert_eq!(hdfs.upload(&file, "/user/root/m/sub/empty").await.unwrap().size, 0);
    let paths: Vec<String> = hdfs.list("/user/root/m", 10).await.unwrap().into_iter().map(|f| f.path).collect();
    assert_eq!(paths, ["/user/root/m/rest.sh", "/user/root/m/sub/empty"]);
    assert!(matches!(hdfs.list("/user/root/m", 1).await, Err(Error::TooMany { .. })));
    assert!(matches!(hdfs.list("/user/root/m/rest.sh", 10).await, Err(Error::NotADirectory { .. })));
    assert!(matches!(hdfs.list("/nothing", 10).await, Err(Error::Missing { .. })));
    assert!(hdfs.delete("/user/root/m").await.unwrap());
    assert!(!hdfs.delete("/user/root/m").await.unwrap());

    // A stranger may not write.
    let stranger = Hdfs::open(&cluster.conf_dir(), Some("stranger")).unwrap();
    let denied = stranger.upload(&file, "/bin/x").await.unwrap_err();
    assert!(matches!(&denied, Error::Denied { message, .. } if !message.contains('\n')), "{denied}");

    // A dead NameNode is an error within seconds, and is reached again when it is back.
    cluster.name_node().kill().unwrap();
    let since = Instant::now();
    let error = hdfs.stat("/").await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    assert!(error.is_transient() && error.to_string().contains(&cluster.hdfs_url()), "{error}");
    cluster.name_node().restart().await.unwrap();
    assert!(hdfs.stat("/").await.unwrap().unwrap().is_directory);

    // One that hangs too.
    cluster.name_node().pause().unwrap();
    let error = hdfs.stat("/").await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }) && error.to_string().contains(&cluster.hdfs_url()), "{error}");
    cluster.name_node().resume().unwrap();
    assert!(hdfs.stat("/").await.unwrap().unwrap().is_directory);
}

#[tokio::test]
async fn a_tree_is_there_whole_or_not_at_all() {
    let cluster = Cluster::builder().hdfs_only().start().await.unwrap();
    let hdfs = Hdfs::open(&cluster.conf_dir(), Some("root")).unwrap();
    let local = tempfile::tempdir().unwrap();
    let mut files = BTreeMap::new();
    for n in 0..40_usize {
        let path = local.path().join(format!("{n}"));
        // Small ones and one that is closed in one step.
        std::fs::write(&path, vec![b'x'; if n == 7 { 5 << 20 } else { n }]).unwrap();
        files.insert(format!("lib/{n:02}"), path);
    }
    let tree = "/user/root/models/one";
    hdfs.upload_tree(&files, tree).await.unwrap();
    let listed = hdfs.list("/user/root/models", 100).await.unwrap();
    let expected: Vec<(String, u64)> =
        files.iter().map(|(name, path)| (format!("{tree}/{name}"), std::fs::metadata(path).unwrap().len())).collect();
    assert_eq!(listed.into_iter().map(|f| (f.path, f.size)).collect::<Vec<_>>(), expected);
    hdfs.upload_tree(&BTreeMap::new(), "/user/root/empty").await.unwrap();
    assert!(hdfs.stat("/user/root/empty").await.unwrap().unwrap().is_directory);

    // What can't be read leaves nothing.
    files.insert("missing".to_owned(), local.path().join("missing"));
    let error = hdfs.upload_tree(&files, "/user/root/other").await.unwrap_err();
    assert!(matches!(error, Error::Local { .. }), "{error}");
    assert_eq!(hdfs.stat("/user/root/other").await.unwrap(), None);
    assert_eq!(hdfs.list("/user/root", 100).await.unwrap().len(), 40);
}
