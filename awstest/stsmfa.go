package awstest

import (
	"slices"
)

// AddCodes makes further codes of an MFA device valid, each of them once.
func (s *STS) AddCodes(serial string, codes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.codes == nil {
		s.state.codes = make(map[string][]string)
	}
	s.state.codes[serial] = append(s.state.codes[serial], codes...)
}

// secondFactor says whether the request has a code, and refuses one that is not good. A good one is used up.
func (c *stsCall) secondFactor() (given bool, no *refusal) {
	serial, code := c.form.Get("SerialNumber"), c.form.Get("TokenCode")
	if !c.form.Has("SerialNumber") && !c.form.Has("TokenCode") {
		return false, nil
	}
	if serial == "" || code == "" {
		return false, invalid("MFA serial number and one time pass code must be supplied together")
	}
	i := slices.IndexFunc(c.fake.MFADevices, func(d MFADevice) bool { return d.Serial == serial })
	_, role := c.caller.role()
	if i < 0 || role != "" || c.fake.MFADevices[i].User != "" && c.fake.MFADevices[i].User != c.caller.arn() {
		return false, denied("MultiFactorAuthentication failed, unable to validate MFA code. " +
			"Please verify your MFA serial number is valid and associated with this user.")
	}
	if !c.fake.useCode(c.fake.MFADevices[i], code) {
		return false, denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	}
	return true, nil
}

// useCode says whether a code is valid and was not used before.
func (s *STS) useCode(d MFADevice, code string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(d.Codes, code) && !slices.Contains(s.state.codes[d.Serial], code) {
		return false
	}
	used := [2]string{d.Serial, code}
	if s.state.used[used] {
		return false
	}
	if s.state.used == nil {
		s.state.used = make(map[[2]string]bool)
	}
	s.state.used[used] = true
	return true
}
