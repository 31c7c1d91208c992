"""The toolsets that come with MetaNNvis. They are found through entry points, as a third party's are."""
