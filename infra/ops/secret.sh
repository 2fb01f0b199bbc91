# Shared by the commands that set what proves the application to a provider; to be sourced.

# Sets the secret that an output of a stack names: set_secret <stack> <output> <name>
#
# Reads the value from the terminal or from standard input, never from an argument, which other users of
# the machine could see.
set_secret() {
  local stack=$1 output=$2 name=$3 secret value
  secret=$("$(dirname "${BASH_SOURCE[0]}")/output" "$stack" "$output")

  if [ -t 0 ]; then
    read -rsp "$name: " value
    echo
  else
    read -r value || true
  fi
  value=${value%$'\r'}
  if [[ ! $value =~ ^[[:graph:]]+$ ]]; then
    echo "cannot set $name: the value is empty or contains spaces" >&2
    exit 1
  fi

  printf %s "$value" | aws secretsmanager put-secret-value --secret-id "$secret" \
    --secret-string file:///dev/stdin > /dev/null
  echo "$name of $stack is set"
}
