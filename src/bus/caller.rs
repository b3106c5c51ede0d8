//! What systemd is about to do with the unit that this program itself runs in.
//!
//! Owns one connection for one question. Waits for nobody longer than its limit. Fails with the reason in words.

use std::time::Duration;

use tokio::time::timeout;
use zbus::OwnedObjectPath;

use super::link::{Link, MANAGER, MANAGER_PATH};
use super::system_bus;

/// A row of `ListJobs`: number, unit, type, state, the job's path, the unit's path.
type Job = (u32, String, String, String, OwnedObjectPath, OwnedObjectPath);

/// The type of the job (`stop`, `restart`, …) that systemd does with the unit of this process, if there is one, asked
/// within `limit`.
pub async fn job_of_caller(limit: Duration) -> Result<Option<String>, String> {
    let late = || format!("systemd did not answer within {limit:?}");
    timeout(limit, ask()).await.map_err(|_| late())?
}

async fn ask() -> Result<Option<String>, String> {
    let link = Link::connect(&system_bus()).await?;
    // 0: whoever asks.
    let unit = link.call(MANAGER_PATH, MANAGER, "GetUnitByPID", &0_u32).await;
    let (unit, _): (OwnedObjectPath, _) = unit.map_err(|trouble| trouble.to_string())?;
    let jobs = link.call(MANAGER_PATH, MANAGER, "ListJobs", &()).await;
    let (jobs, _): (Vec<Job>, _) = jobs.map_err(|trouble| trouble.to_string())?;
    let ours = jobs.into_iter().find(|(.., path)| path.as_str() == unit.as_str());
    Ok(ours.map(|(_, _, kind, ..)| kind))
}
