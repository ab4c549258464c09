package providers

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/walk"
	"github.com/credchain/credchain/store"
	"github.com/credchain/credchain/sts"
)

// Sessions keeps the sessions that MFA codes have opened, so that one code serves all roles of one user: the code
// goes to GetSessionToken, and the session that STS gives for it assumes the roles until it ends. It asks one
// question at a time, and sends no code twice.
//
// The zero value is empty and ready. It is safe for concurrent use and must not be copied. Chains share the
// sessions that Config gives them; without, each has its own. With a Config.Store other processes have them as well.
type Sessions struct {
	state atomic.Pointer[mfaState] // fmt does not look into it
}

type mfaState struct {
	turn chan struct{} // held by whoever asks the person
	held store.Memory

	mu   sync.Mutex
	used map[string]*sentCodes // by device
}

// get returns the state, which the first call makes.
func (s *Sessions) get() *mfaState {
	if s.state.Load() == nil {
		s.state.CompareAndSwap(nil, &mfaState{turn: make(chan struct{}, 1), used: make(map[string]*sentCodes)})
	}
	return s.state.Load()
}

// sentCodes are the codes of a device that were sent lately. A device shows the same again only by chance.
type sentCodes struct {
	at map[string]time.Time
}

// codeLife is more than the time for which a code is valid.
const codeLife = 5 * time.Minute

const maxQuestions = 3

var errAskLater = errors.New("an MFA code is needed, and nobody is asked for one while the credentials in use are valid")

// open returns the session of a user's keys and an MFA device; it asks for a code if there is none that lasts.
func (m *mfaState) open(ctx context.Context, v *services, client *sts.Client, user aws.Credentials, serial string) (aws.Credentials, error) {
	key := store.Key{Operation: "GetSessionToken", Caller: callerOf(user), Service: client.Region + " " + client.Endpoint, SerialNumber: serial}
	return m.held.Through(ctx, key, v.sharing.good, func(ctx context.Context) (aws.Credentials, error) {
		return v.through(ctx, key, true, func(ctx context.Context) (aws.Credentials, error) {
			if err := m.take(ctx); err != nil {
				return aws.Credentials{}, err
			}
			defer m.give()
			code, err := m.ask(ctx, v.active.sys, serial)
			if err != nil {
				return aws.Credentials{}, err
			}
			creds, err := client.GetSessionToken(carry(ctx, user), sts.GetSessionTokenInput{SerialNumber: serial, TokenCode: code})
			if err != nil {
				return aws.Credentials{}, &failure{what: "the MFA code of " + serial + " opened no session", err: err,
					remedy: "try again with the next code; the device must be that of the user whose keys these are"}
			}
			return creds, nil
		})
	})
}

// code asks for a code that is sent once, with a single role.
func (m *mfaState) code(ctx context.Context, sys *System, serial string) (string, error) {
	if err := m.take(ctx); err != nil {
		return "", err
	}
	defer m.give()
	return m.ask(ctx, sys, serial)
}

// take waits for the turn to ask. In the background nobody is asked.
func (m *mfaState) take(ctx context.Context) error {
	if walk.InBackground(ctx) {
		return errAskLater
	}
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *mfaState) give() { <-m.turn }

// ask returns a code that has not been sent before. The caller has the turn.
func (m *mfaState) ask(ctx context.Context, sys *System, serial string) (string, error) {
	question := "Enter MFA code for " + serial + ": "
	for range maxQuestions {
		code, err := sys.Ask(ctx, question)
		if err != nil {
			f := &failure{what: "the MFA code of " + serial, err: err}
			if errors.Is(err, ErrNoTerminal) {
				f.remedy = "run `credchain mfa` on a terminal first, or give the program a Prompt"
			}
			return "", f
		}
		code = strings.TrimSpace(code)
		switch {
		case !isCode(code):
			question = "An MFA code has six digits. Enter MFA code for " + serial + ": "
		case m.sent(serial, code):
			question = "That code has been used. Wait for the next, and enter MFA code for " + serial + ": "
		default:
			return code, nil
		}
	}
	return "", &failure{what: "no new MFA code of " + serial + " was entered"}
}

// sent remembers the code, and reports whether it was sent already.
func (m *mfaState) sent(serial, code string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	codes := m.used[serial]
	if codes == nil {
		codes = &sentCodes{at: make(map[string]time.Time)}
		m.used[serial] = codes
	}
	now := time.Now()
	for c, at := range codes.at {
		if now.Sub(at) > codeLife {
			delete(codes.at, c)
		}
	}
	if _, again := codes.at[code]; again {
		return true
	}
	codes.at[code] = now
	return false
}

func isCode(s string) bool {
	return len(s) == 6 && strings.Trim(s, "0123456789") == ""
}
