//! robo-trader: an async trading daemon for Interactive Brokers that an operator can leave alone.
#![forbid(unsafe_code)]

// Pure: no async, no clock, no environment, no files, no randomness of its own.
pub mod calendar;
pub mod desk;
pub mod domain;
pub mod exchange;
pub mod risk;
pub mod strategy;
pub mod tape;

// Shell.
pub mod backtest;
pub mod bar_files;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod feed;
pub mod journal;
pub mod notify;
pub mod private_dir;
pub mod robust_connection;
pub mod runner;
pub mod service_manager;
pub mod simulator;
pub mod tws;
pub mod web;
