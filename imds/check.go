package imds

// Endpoint is the address of the metadata service on every EC2 instance, which an empty [Client.Endpoint] means.
const Endpoint = endpointIPv4

// CheckEndpoint tells what is wrong with an endpoint URL, nil if a Client would take it. It asks nobody.
func CheckEndpoint(endpoint string) error {
	_, err := parseEndpoint(endpoint)
	return err
}
