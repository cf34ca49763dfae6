//! The session's own messages: start, ids, accounts, time, errors. Names and tags as IBKR's descriptors have them; fields that are not
//! listed are skipped on reading.

/// `StartApiRequest`, 271 from the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StartApiRequest {
    #[prost(int32, optional, tag = "1")]
    pub client_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub optional_capabilities: Option<String>,
}

/// `NextValidId`, 209 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct NextValidId {
    #[prost(int32, optional, tag = "1")]
    pub order_id: Option<i32>,
}

/// `ManagedAccounts`, 215 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ManagedAccounts {
    #[prost(string, optional, tag = "1")]
    pub accounts_list: Option<String>,
}

/// `CurrentTime`, 249 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CurrentTime {
    #[prost(int64, optional, tag = "1")]
    pub current_time: Option<i64>,
}

/// `CurrentTimeInMillis`, 309 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CurrentTimeInMillis {
    #[prost(int64, optional, tag = "1")]
    pub current_time_in_millis: Option<i64>,
}

/// `ErrorMessage`, 204 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ErrorMessage {
    #[prost(int32, optional, tag = "1")]
    pub id: Option<i32>,
    #[prost(int64, optional, tag = "2")]
    pub error_time: Option<i64>,
    #[prost(int32, optional, tag = "3")]
    pub error_code: Option<i32>,
    #[prost(string, optional, tag = "4")]
    pub error_msg: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub advanced_order_reject_json: Option<String>,
}

/// `UserInfoRequest`, 304 from the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct UserInfoRequest {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
}

/// `UserInfo`, 307 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct UserInfo {
    #[prost(int32, optional, tag = "1")]
    pub req_id: Option<i32>,
    #[prost(string, optional, tag = "2")]
    pub white_branding_id: Option<String>,
}

/// `FamilyCode`, part of other messages.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FamilyCode {
    #[prost(string, optional, tag = "1")]
    pub account_id: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub family_code: Option<String>,
}

/// `FamilyCodes`, 278 to the client.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct FamilyCodes {
    #[prost(message, repeated, tag = "1")]
    pub family_codes: Vec<FamilyCode>,
}
