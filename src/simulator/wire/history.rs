//! Historical bars. Names and tags as IBKR's descriptors have them; fields that are not
//! listed are skipped on reading.

use super::contracts::Contract;

/// `HistoricalDataRequest`, 220 from the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalDataRequest {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub contract: Option<Contract>,
    #[prost(string, optional, tag = "3")]
    pub end_date_time: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub bar_size_setting: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub duration: Option<String>,
    #[prost(bool, optional, tag = "6")]
    pub use_rth: Option<bool>,
    #[prost(string, optional, tag = "7")]
    pub what_to_show: Option<String>,
    #[prost(int32, optional, tag = "8")]
    pub format_date: Option<i32>,
    #[prost(bool, optional, tag = "9")]
    pub keep_up_to_date: Option<bool>,
}

/// `HistoricalDataBar`, part of other messages.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalDataBar {
    #[prost(string, optional, tag = "1")]
    pub date: Option<String>,
    #[prost(double, optional, tag = "2")]
    pub open: Option<f64>,
    #[prost(double, optional, tag = "3")]
    pub high: Option<f64>,
    #[prost(double, optional, tag = "4")]
    pub low: Option<f64>,
    #[prost(double, optional, tag = "5")]
    pub close: Option<f64>,
    #[prost(string, optional, tag = "6")]
    pub volume: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub wap: Option<String>,
    #[prost(int32, optional, tag = "8")]
    pub bar_count: Option<i32>,
}

/// `HistoricalData`, 217 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalData {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(message, repeated, tag = "2")]
    pub historical_data_bars: Vec<HistoricalDataBar>,
}

/// `HistoricalDataEnd`, 308 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalDataEnd {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub start_date_str: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub end_date_str: Option<String>,
}

/// `HistoricalDataUpdate`, 290 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalDataUpdate {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub historical_data_bar: Option<HistoricalDataBar>,
}

/// `HeadTimestampRequest`, 287 from the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HeadTimestampRequest {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub contract: Option<Contract>,
    #[prost(bool, optional, tag = "3")]
    pub use_rth: Option<bool>,
    #[prost(string, optional, tag = "4")]
    pub what_to_show: Option<String>,
    #[prost(int32, optional, tag = "5")]
    pub format_date: Option<i32>,
}

/// `HeadTimestamp`, 288 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HeadTimestamp {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub head_timestamp: Option<String>,
}

/// `HistoricalSession`, part of other messages.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalSession {
    #[prost(string, optional, tag = "1")]
    pub start_date_time: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub end_date_time: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub ref_date: Option<String>,
}

/// `HistoricalSchedule`, 306 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistoricalSchedule {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub start_date_time: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub end_date_time: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub time_zone: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub historical_sessions: Vec<HistoricalSession>,
}

/// `HistogramDataRequest`, 288 from the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistogramDataRequest {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub contract: Option<Contract>,
    #[prost(bool, optional, tag = "3")]
    pub use_rth: Option<bool>,
    #[prost(string, optional, tag = "4")]
    pub time_period: Option<String>,
}

/// `HistogramDataEntry`, part of other messages.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistogramDataEntry {
    #[prost(double, optional, tag = "1")]
    pub price: Option<f64>,
    #[prost(string, optional, tag = "2")]
    pub size: Option<String>,
}

/// `HistogramData`, 289 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct HistogramData {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(message, repeated, tag = "2")]
    pub histogram_data_entries: Vec<HistogramDataEntry>,
}
