{
 "v": "equerry.signature/1",
 "kind": "catalogue",
 "key": "df232af14dfc2150",
 "signature": "KYUHk29uoBjXml9fhZDk7iV7uYyFgcANfVc/YSXJ1AFck/qaOmuXmVdubyJBlMfN01GOSYWarXIi4DUrSRpNCA=="
}
