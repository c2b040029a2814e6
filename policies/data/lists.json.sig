{
 "v": "equerry.signature/1",
 "kind": "lists",
 "key": "df232af14dfc2150",
 "signature": "KsUK5YDKc17HMxESbdUIA90131HneKHEsRwb7Dio3QikPeOSaCrO/qeHnO6+ir1WUVUtNTtJqeZJIkCct3lOBg=="
}
