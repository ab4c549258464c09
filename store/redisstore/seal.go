package redisstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
)

// SealingKey is a key that entries are encrypted with. Printing it, by any verb or as a log value, shows its ID alone.
type SealingKey struct {
	// ID names the key in entries: 1 to 255 bytes, not secret, another one for each key.
	ID string

	// Secret is 32 random bytes. The same key must not serve anything else.
	Secret []byte
}

// Format writes the ID, whatever the verb.
func (k SealingKey) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "redisstore.SealingKey{ID: %q}", k.ID)
}

// MarshalText is for logs: the ID.
func (k SealingKey) MarshalText() ([]byte, error) { return []byte(k.ID), nil }

// LogValue is for logs: the ID.
func (k SealingKey) LogValue() slog.Value { return slog.StringValue(k.ID) }

const (
	sealVersion = 1
	nonceSize   = 12
)

var errDamaged = errors.New("it was changed by others, belongs to another entry, or another key has this ID")

// sealer seals with the first key and opens with any.
type sealer struct {
	first string
	all   map[string]cipher.AEAD
}

func newSealer(keys []SealingKey) (*sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("redisstore: there is no sealing key")
	}
	s := &sealer{first: keys[0].ID, all: map[string]cipher.AEAD{}}
	for i, k := range keys {
		switch {
		case len(k.ID) < 1 || len(k.ID) > 255:
			return nil, fmt.Errorf("redisstore: the ID of sealing key %d has %d bytes, not 1 to 255", i+1, len(k.ID))
		case s.all[k.ID] != nil:
			return nil, fmt.Errorf("redisstore: two sealing keys have the ID %q", k.ID)
		case len(k.Secret) != 32:
			return nil, fmt.Errorf("redisstore: the secret of sealing key %q has %d bytes, not 32", k.ID, len(k.Secret))
		}
		block, err := aes.NewCipher(k.Secret)
		if err != nil {
			return nil, err
		}
		if s.all[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// seal encrypts data for the entry name: version, key ID with its length, nonce, ciphertext.
func (s *sealer) seal(name string, data []byte) []byte {
	out := append([]byte{sealVersion, byte(len(s.first))}, s.first...)
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // never fails
	return s.all[s.first].Seal(append(out, nonce...), nonce, data, additional(name, s.first))
}

// open returns what was sealed for the entry name.
func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	switch {
	case len(sealed) < 2:
		return nil, errors.New("it is too short")
	case sealed[0] != sealVersion:
		return nil, fmt.Errorf("it has version %d, and this release reads %d", sealed[0], sealVersion)
	case len(sealed) < 2+int(sealed[1])+nonceSize:
		return nil, errors.New("it is too short")
	}
	end := 2 + int(sealed[1]) // no byte arithmetic: it would wrap
	id, rest := string(sealed[2:end]), sealed[end:]
	key := s.all[id]
	if key == nil {
		return nil, fmt.Errorf("it is sealed with the key %.40q, which is not among the %d given here", id, len(s.all))
	}
	data, err := key.Open(nil, rest[:nonceSize], rest[nonceSize:], additional(name, id))
	if err != nil {
		return nil, errDamaged
	}
	return data, nil
}

// additional ties an entry to its name, so that one cannot take another's place.
func additional(name, id string) []byte {
	return fmt.Appendf(nil, "credchain redis entry %d\n%d:%s\n%d:%s", sealVersion, len(name), name, len(id), id)
}
