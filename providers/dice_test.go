package providers_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// accountOf gives every access key ID an account of its own.
func accountOf(id string) string { return fmt.Sprintf("%012d", crc32.ChecksumIEEE([]byte(id))) }

// dice makes machines. What one says is written once into a scenario's section.
type dice struct{ *rand.Rand }

func dealt(seed uint64) *dice { return &dice{rand.New(rand.NewPCG(seed, 1))} }

func (d *dice) chance(percent int) bool { return d.IntN(100) < percent }

// one returns one of the given values. The first is the usual one.
func (d *dice) one(values ...string) string {
	if d.chance(60) {
		return values[0]
	}
	return values[d.IntN(len(values))]
}

func (d *dice) machine() *txtar.Archive {
	sections := []string{"-- args --\n" + d.args(), "-- env --\n" + d.environment()}
	for _, f := range [...]struct{ path, header, tag string }{
		{"home/.aws/credentials", "[%s]", "CRED"},
		{"home/.aws/config", "[profile %s]", "CONF"},
	} {
		switch roll := d.IntN(100); {
		case roll < 40:
			sections = append(sections, "-- "+f.path+" --\n"+d.file(f.header, f.tag))
		case roll < 44:
			sections = append(sections, "-- special --\n"+f.path+" "+d.one("unreadable", "directory")+"\n")
		}
	}
	if d.chance(85) {
		sections = append(sections, "-- /var/run/token --\n"+d.one("auth0/canary+=", "", "auth0/one+=\nauth0/two+=")+"\n")
	}
	sections = append(sections, d.cloud(strings.Join(sections, "")))
	if d.chance(60) {
		sections = append(sections, "-- imds --\n"+d.imds())
	}
	if d.chance(70) {
		sections = append(sections, "-- container --\n"+d.container())
	}
	return mix(sections...)
}

func (d *dice) args() (out string) {
	if d.chance(30) {
		out += "order " + d.one("java", "java-v2") + "\n"
	}
	if d.chance(15) {
		out += d.one("--profile ", "code-profile ") + d.one("p", "default", "q", "typo") + "\n"
	}
	if d.chance(6) {
		const id = "AKIAFLAGS00000000002"
		out += "static " + id + d.one(" "+secretOf(id), "", " "+secretOf(id)+" "+tokenOf(id)+" "+accountOf(id)) + "\n"
	}
	return out
}

func (d *dice) environment() string {
	var b strings.Builder
	set := func(percent int, name string, values ...string) {
		if d.chance(percent) {
			fmt.Fprintf(&b, "%s=%q\n", name, d.one(values...))
		}
	}
	if d.chance(25) {
		id := d.one("ASIAENVIRONMENT00001", "AKIAENVIRONMENT00002")
		set(90, "AWS_ACCESS_KEY_ID", id, " "+id+"\n", "", " ", "'"+id+"'", id[:4]+" "+id[4:])
		secret := secretOf(id)
		set(90, "AWS_SECRET_ACCESS_KEY", secret, secret+"\r\n", "", "\t", `"`+secret+`"`, secret+"\x1b[0m+")
		set(10, "AWS_CREDENTIAL_EXPIRATION", "2000-02-01T00:00:00Z", "1999-01-01T00:00:00Z", "soon")
		for _, name := range []string{"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"} {
			set(40, name, tokenOf(id), " ", tokenOf(id)+" ", tokenOf(id)+"\n2")
		}
		set(40, "AWS_ACCOUNT_ID", accountOf(id), " ")
	} else {
		set(20, "AWS_SESSION_TOKEN", "t0ken/STALE+=")
		set(20, "AWS_ACCOUNT_ID", "999999999999")
		set(10, "AWS_ACCESS_KEY", "AKIASTALE00000000000")
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		set(20, name, "p", "q", " p", "", "default", "typo", "p\x00")
	}
	if d.chance(8) {
		set(90, "AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/id", "/var/run/token", " ", "/nowhere")
		set(90, "AWS_ROLE_ARN", roleARN("pod"), roleARN("nobody"), "", "pod")
	}
	set(15, "AWS_REGION", "eu-west-1", "aws-global", "dummy", " ", "eu-west-1\n")
	set(4, "AWS_USE_FIPS_ENDPOINT", "true", "false", "ture")
	set(4, "AWS_ENDPOINT_URL", "https://sts.eu-west-1.amazonaws.com", "nonsense", "https://u:s3cret@sts.eu-west-1.amazonaws.com/", " ")
	set(20, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds", " ", "", "creds")
	set(10, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2/creds", "http://203.0.113.7/creds", "http://nowhere.example/", "ftp://127.0.0.1/", "http://%zz")
	set(20, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "auth0/canary+=", "", "auth0/\r\n+=")
	set(20, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/token", "/nowhere", " ")
	set(10, "AWS_EC2_METADATA_DISABLED", "true", "false", "TRUE", "yes", " ")
	set(10, "AWS_EC2_METADATA_V1_DISABLED", "true", "false", "1")
	set(5, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254/", "http://169.254.269.254", "nonsense")
	set(5, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1", "5", "x")
	set(5, "AWS_EC2_INSTANCE_PROFILE_NAME", "app", "other", "a/b")
	const id = "ASIAPROPERTIES000007"
	for _, name := range []string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"} {
		set(20, name, "-Daws.accessKeyId="+id+" -Daws.secretAccessKey="+secretOf(id)+" -Daws.accountId="+accountOf(id), "-Daws.accessKeyId="+id,
			"-Daws.profile=p", "-Daws.sessionToken="+tokenOf(id), "'open", "-Daws.disableEc2Metadata=true", "")
	}
	return b.String()
}

// file makes a shared file: sections of lines, one set of keys for each.
func (d *dice) file(header, tag string) (out string) {
	for _, name := range []string{"default", "p", "q"} {
		if d.chance(40) {
			continue
		}
		if name == "default" && d.chance(80) {
			out += "[default]"
		} else {
			out += fmt.Sprintf(header, name)
		}
		out = strings.TrimSuffix(out, d.one("", "", "]")) + "\n"
		id := profileKey(d.one("ASIA", "AKIA"), tag, name)
		if next := map[string]string{"default": "p", "p": "q"}[name]; d.chance(40) { // as somebody would write it
			if next != "" && d.chance(60) {
				out += "role_arn = " + roleARN(name) + "\nsource_profile = " + next + "\n" + d.one("", "external_id = shared/7\n", "mfa_serial = "+mfaSerial+"\n")
			} else {
				out += "aws_access_key_id = " + id + "\naws_secret_access_key = " + secretOf(id) + "\naws_session_token = " + tokenOf(id) + "\n"
			}
			continue
		}
		set := func(percent int, key string, values ...string) {
			if d.chance(percent) {
				out += key + d.one("", " ") + "=" + d.one(" ", "") + d.one(values...) + "\n"
			}
		}
		if d.chance(60) {
			set(95, "aws_access_key_id", id, "", `"`+id+`"`, id+" # comment")
			set(95, d.one("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"), secretOf(id), "", secretOf(id)+"\n continued")
		}
		set(20, "aws_session_token", tokenOf(id), "")
		set(20, "aws_account_id", accountOf(id))
		set(18, "role_arn", roleARN(name), roleARN("q"), roleARN("nobody"), roleARN("p")+"\n junk", "")
		set(22, "source_profile", "q", "p", "default", "typo", "")
		set(8, "credential_source", "Environment", "EcsContainer", "Ec2InstanceMetadata", "ecs")
		set(6, "mfa_serial", mfaSerial)
		set(6, "external_id", "shared/7", "x")
		set(6, "role_session_name", "ann", "a b")
		set(6, "duration_seconds", "900", "7200", "43200", "60", "1h")
		set(6, "region", "eu-west-1", "dummy")
		set(4, "web_identity_token_file", "/var/run/id", "/var/run/id", "/var/run/token", "/nowhere")
		set(4, "services", "local", "typo")
		if d.chance(20) {
			set(90, "sso_account_id", "123456789012", "123456789012", "123456789012", "210987654321")
			set(90, "sso_role_name", "dev", "dev", "dev", "other")
			set(80, "sso_session", "corp", "corp", "corp", "typo")
			set(20, "sso_region", "eu-west-1", "us-east-1")
		}
		set(15, "login_session", loginARN, loginARN, "arn:aws:iam::123456789012:user/other")
		set(18, "credential_process", "/opt/fetch s3cret/ARGUMENT+=", "/opt/fetch s3cret/ARGUMENT+=", "/opt/nowhere | sh", "/opt/fetch \"s3cret/OPEN+=")
		set(5, "ec2_metadata_v1_disabled", "true", "false", "maybe")
		set(5, "ec2_metadata_service_endpoint_mode", "IPv4", "v6")
		if d.chance(4) {
			out += d.one("no equals sign", "= nothing", "  indented") + "\n"
		}
	}
	if tag == "CONF" && d.chance(90) {
		out += "[sso-session corp]\nsso_region = " + d.one("eu-west-1", "eu-west-1", "eu-west-1", "dummy") + "\nsso_start_url = https://example.awsapps.com/start\n"
		out += "[services local]\nsts =\n  endpoint_url = https://sts.eu-west-1.amazonaws.com\n"
	}
	return out
}

const (
	mfaSerial = "arn:aws:iam::123456789012:mfa/ann"
	loginARN  = "arn:aws:iam::123456789012:user/ann"
)

func roleARN(name string) string { return "arn:aws:iam::123456789012:role/" + name }

// profileKey is the access key ID of a profile in the file with this tag.
func profileKey(prefix, tag, name string) string {
	return (prefix + tag + strings.ToUpper(name) + "0000000000000000")[:20]
}

// cloud makes the services that a machine needs. STS knows its keys, each as a user of its own.
func (d *dice) cloud(machine string) (out string) {
	needs := func(word string) bool { return strings.Contains(machine, word) }
	out = "-- sts --\n"
	if d.chance(10) {
		out += "fault " + d.one("Throttling 1", "500 0", "503 2", "reset 1", "silent 0", "ExpiredToken 0", "AccessDenied 0") + "\n"
	}
	ids := []string{"ASIAENVIRONMENT00001", "AKIAENVIRONMENT00002", "ASIACONTAINER0000005", "ASIAINSTANCE00000006"}
	for _, tag := range []string{"CRED", "CONF"} {
		for _, name := range []string{"default", "p", "q"} {
			ids = append(ids, profileKey("AKIA", tag, name), profileKey("ASIA", tag, name))
		}
	}
	for _, id := range ids {
		if d.chance(95) && (needs(id) || needs("credential_source")) {
			out += "user " + id + " arn=arn:aws:iam::123456789012:user/" + id + "\n"
		}
	}
	for _, name := range []string{"default", "p", "q", "pod"} {
		out += "role " + roleARN(name) + d.one(" trust=*", "", " trust=* mfa", " trust=* external=shared/7") +
			d.one(" max=12h", "") + d.one(" subject=pod", " subject=pod", " subject=other") + "\n"
	}
	out += "device " + mfaSerial + " 818181 929292\n"
	if needs("/var/run/id") {
		out += "token /var/run/id subject=pod " + d.one("", "", "", "audience=vault", "expires=1999-12-31T00:00:00Z", "crlf") + "\n"
	}
	when := func() string {
		return d.one("2000-01-01T08:00:00Z", "2000-01-01T08:00:00Z", "2000-01-01T00:04:00Z", "1999-12-31T23:00:00Z")
	}
	if d.chance(90) && needs("sso_role_name") {
		out += "-- sso --\nrole 123456789012 dev ASIASSODEV0000000001\n"
		out += "session corp expires=" + when() + d.one("", "", " legacy", " utc", " registration=1999-12-31T00:00:00Z") + "\n"
		out += d.one("", "", "", "signed-out\n", "keeps-refresh-token\n", "fault 500 0 /token\n", "fault 500 1 /federation\n", "fault silent 0 /federation\n")
	}
	if d.chance(90) && needs("login_session") {
		out += "-- signin --\nsession " + loginARN + " expires=" + when() + "\n"
		out += d.one("", "", "", "refuse TOKEN_EXPIRED\n", "refuse INSUFFICIENT_PERMISSIONS\n", "fault 500 0\n")
	}
	const process = "ASIAPROCESS000000009"
	keys := fmt.Sprintf(`"AccessKeyId":%q,"SecretAccessKey":%q,"SessionToken":%q`, process, secretOf(process), tokenOf(process))
	out += "-- run --\n/opt/fetch stdout " + d.one("{\"Version\":1,"+keys+"}", "{\"Version\":\"1\","+keys+"}", "{\"Version\":1,"+keys, "s3cret/RAW+=",
		"{\"Version\":1,"+keys+",\"AccountId\":\""+accountOf(process)+"\"}", "{\"Version\":1,"+keys+",\"Expiration\":\"1999-01-01T00:00:00Z\"}") + "\n"
	if d.chance(10) {
		out += "/opt/fetch stderr aws_secret_access_key=s3cret/STANDARDERRORABCDEFGH+=\n/opt/fetch exit 1\n"
	}
	if d.chance(5) {
		out += "/opt/fetch hang\n"
	}
	if d.chance(60) {
		out += "-- answers --\n" + d.one("818181\n", "", "123\n929292\n", "535353\n")
	}
	return out
}

func (d *dice) imds() (out string) {
	out = "credentials ASIAINSTANCE00000006 " + accountOf("ASIAINSTANCE00000006") + "\n"
	out += d.one("role app\n", "", "role app\nextended\n") + "mode " + d.one("both", "v1", "v2") + "\n"
	if d.chance(5) {
		out += "silent\n"
	}
	for _, target := range []string{"token", "list", "role", "extended"} {
		if d.chance(15) {
			out += "status " + target + " " + d.one("500", "403", "400", "401,200", "404", "silent", "reset,cut,200", "302") + "\n"
		}
	}
	if d.chance(10) {
		out += `body role ` + d.one(`{"Code":"Failed","Message":"no"}`, `{}`, `[]`, `<html>`) + "\n"
	}
	return out
}

func (d *dice) container() (out string) {
	out = "credentials ASIACONTAINER0000005 " + accountOf("ASIACONTAINER0000005") + "\n"
	if d.chance(20) {
		out += "token auth0/canary+=\n"
	}
	if d.chance(30) {
		out += "status document " + d.one("500", "403", "429,200", "silent", "reset,reset,200", "cut", "302") + "\n"
	}
	if d.chance(10) {
		out += "body document " + d.one(`{}`, `null`, `{"AccessKeyId":"ASIACONTAINER0000005"}`, `<html>`) + "\n"
	}
	return out
}
