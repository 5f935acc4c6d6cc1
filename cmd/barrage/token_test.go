package main

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestTokenSaysWhoUntilWhen(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	token, err := mintToken("secret", identity{user: "ann", name: "Ann", role: "moderator", ttl: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte("secret"), nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		t.Fatal(err)
	}
	if claims["sub"] != "ann" || claims["name"] != "Ann" || claims["role"] != "moderator" ||
		claims["iat"] != float64(now.Unix()) || claims["exp"] != float64(now.Add(time.Hour).Unix()) {
		t.Errorf("got %v", claims)
	}
}
