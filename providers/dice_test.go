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
	set(7, "AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token", " ")
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
		id := d.one("ASIA", "AKIA") + tag + strings.ToUpper(name) + "0000000000000000"
		id = id[:20]
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
		set(8, "role_arn", "arn:aws:iam::123456789012:role/r")
		set(8, "source_profile", "default", "q")
		set(4, "credential_source", "Environment")
		set(4, "web_identity_token_file", "/var/run/token")
		set(4, "sso_account_id", "123456789012")
		set(4, "login_session", "arn:aws:iam::123456789012:user/u")
		set(4, "credential_process", "/opt/fetch s3cret/PROCESS+=")
		set(5, "ec2_metadata_v1_disabled", "true", "false", "maybe")
		set(5, "ec2_metadata_service_endpoint_mode", "IPv4", "v6")
		if d.chance(4) {
			out += d.one("no equals sign", "= nothing", "  indented") + "\n"
		}
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
