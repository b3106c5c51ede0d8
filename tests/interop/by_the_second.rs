//! Version 2, whose adverts are a second apart at the least. What takes longest is begun first, by the order of the names.

use crate::keepalived::both_ways;
use crate::lab::router::{Router, V3};
use crate::ucarp::beside_ucarp;

const V2: Router = Router { version: 2, interval: 1000, ..V3 };

#[test]
fn keepalived() {
    both_ways(V2, 200, 100);
}

#[test]
fn keepalived_with_a_password() {
    both_ways(Router { password: Some("pass-7b"), ..V2 }, 200, 100);
}

#[test]
fn ours_beside_ucarp() {
    beside_ucarp(V2);
}
