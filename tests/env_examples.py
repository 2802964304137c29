"""Variables that real projects have in their `.env.example`, with values of the usual form, and what may be shown.

The names are those of Mastodon, Chatwoot, Supabase, Outline, Laravel, Appwrite, Cal.com, Documenso, Dify, n8n,
Sentry, Bitnami's and Docker's images, Heroku's add-ons, and of a shell; the values are made up. `SECRETS` has
between « and » what must not be seen. `HARMLESS` is shown as it is.
"""

SECRETS = r"""
DB_PASS=«hunter22»
DB_PASSWORD=«123456»
DB_ROOT_PASS=«rootsecretpassword»
DBPASS=«hunter22»
MYSQLPWD=«hunter22»
PGPASSWORD=«s3cr3t»
MYSQL_PWD=«s3cr3t»
REDISTOKEN=«f00ba7»
REDIS_PASS=«redispw»
REDISCLI_AUTH=«redispw»
ES_PASS=«password»
SMTP_PASSWORD=«fake_mail_password»
SMTPPASS=«fake_mail_password»
MINIO_ROOT_PASSWORD=«secret1234»
DASHBOARD_PASSWORD=«this_password_is_insecure»
ELASTIC_PASSWORD=«changeme»
SECRET_KEY_BASE=«UpNVntn3cDxHJpq99YMc1T1AQgQpc8kfYTuRgBiYa15B»
SECRET_KEY=«generate_a_new_key»
UTILS_SECRET=«generate_a_new_key»
OTP_SECRET=«9f86d081884c7d659a2feaa0c55ad015a3bf4f1b»
NEXTAUTH_SECRET=«Zm9vYmFyYmF6cXV4Zm9vYmFy»
JWT_SECRET=«your-super-secret-jwt-token»
APP_KEY=«base64:tJ3hYzv4eDGyU1m3BgrjMGWQBzTz8Q7vHoc2Y0S2u9E=»
_APP_OPENSSL_KEY_V1=«your-secret-key»
CRON_API_KEY=«0cc0e6c35519bba620c9360cfe3e68d0»
VAULT_ENC_KEY=«your-32-character-encryption-key»
PG_META_CRYPTO_KEY=«your-encryption-key-32-chars-min»
RAILS_MASTER_KEY=«0f4dc0ffee0f4dc0ffee0f4dc0ffee00»
ENCRYPTION_KEY=«k9Dk2mQpo8»
N8N_ENCRYPTION_KEY=«k9Dk2mQpo8»
APIKEY=«x1y2z3»
ALGOLIA_ADMIN_APIKEY=«x1y2z3»
apiKey=«x1y2z3»
clientSecret=«x1y2z3»
MAILGUN_API_KEY=«key-3ax6xnjp29jd6fds4gc373sgvjxteol0»
DATADOG_API_KEY=«0123456789abcdef»
ROLLBAR_ACCESS_TOKEN=«0123456789abcdef»
TWILIO_TOKEN=«0123456789abcdef»
TWILIO_AUTH_TOKEN=«0123456789abcdef»
FB_VERIFY_TOKEN=«some-word»
SLACK_VERIFICATION_TOKEN=«your_token»
TOKEN2=«x1y2z3»
BOT_TOKEN=«110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw»
GITHUB_PAT=«x1y2z3»
AZURE_DEVOPS_EXT_PAT=«x1y2z3»
STRIPE_SK=«x1y2z3»
S3_SK=«x1y2z3»
MNEMONIC=«abandon»
SEED_PHRASE=«legal winner thank year wave sausage worth useful legal winner thank yellow»
WALLET_SEED=«0a1b2c»
DEPLOYER=«legal winner thank year wave sausage worth useful legal winner thank yellow»
AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»
AWS_SESSION_TOKEN=«FwoGZXIvYXdzEBY»
S3_PROTOCOL_ACCESS_KEY_SECRET=«850181e4652dd023b7a98c58ae0d2d34»
GOOGLE_CLIENT_SECRET=«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»
DOCKER_HUB_PASSWORD=«hunter22»
BASIC_AUTH=«admin:hunter22»
HTTP_BASIC_AUTH=«admin:hunter22»
ERLANG_COOKIE=«QWERTYUIOP»
RELEASE_COOKIE=«QWERTYUIOP»
PASSWORD_SALT=«salty»
HASHID_SALT=«salty»
PASSWORD_PEPPER=«peppery»
SSH_PASSPHRASE=«open sesame»
KEYSTORE_PASS=«changeit»
LICENSE_KEY=«AAAA-BBBB-CCCC»
VAPID_PRIVATE_KEY=«dBZx0cU1Vq»
GOOGLE_CREDENTIALS=«{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIE"}»
DB_CREDS=«admin:hunter22»
PASSWORT=«geheim»
SENHA=«segredo»
SMS_TEST_OTP=«4915112345678:123456»
DATABASE_URL=postgres://app:«hunter22»@db.example.com:5432/shop
REDIS_URL=redis://:«hunter22»@127.0.0.1:6379/0
CLOUDAMQP_URL=amqps://user:«hunter22»@lynx.rmq.cloudamqp.com/vhost
MONGODB_URI=mongodb+srv://app:«hunter22»@cluster0.abcde.mongodb.net/shop?retryWrites=true
SMTP_URL=smtp://user%40example.com:«hunter22»@smtp.example.com:587
_APP_SMS_PROVIDER=sms://username:«password»@mock
_APP_CONNECTIONS_DB_PROJECT=db_fra1_02=mariadb://user:«password»@mariadb:3306/appwrite
SENTRY_DSN=https://«0123456789abcdef0123456789abcdef»@o1.ingest.sentry.io/42
CLONE_URL=https://«ghp_x»@github.com/ada/shop.git
JDBC_DATABASE_URL=jdbc:postgresql://db/shop?user=app&password=«hunter22»&ssl=true
SPRING_DATASOURCE_URL=jdbc:oracle:thin:scott/«tiger»@//db:1521/XE
PG_DSN=host=db user=app password=«hunter22» dbname=shop
PG_QUOTED=host=db password='«open sesame»' dbname=shop
SQLSERVER=Server=tcp:db,1433;User ID=sa;Password=«open sesame»;Encrypt=True
AZURE_STORAGE_CONNECTION_STRING=AccountName=shop;AccountKey=«Zm9vYmFyYmF6cXV4Zm9vYmFy==»;EndpointSuffix=x.net
SERVICEBUS=Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=«Zm9vYmFyYmF6cXV4Zm9vYmFy=»
BLOB_SAS=https://shop.blob.core.windows.net/c?sv=2022-11-02&se=2030-01-01&sig=«abc%2Bdef%3D»
PRESIGNED=https://s3.amazonaws.com/b/k?X-Amz-Date=20300101T000000Z&X-Amz-Signature=«fe5f80f77d5fa3beca038a248ff027d0»
OAUTH_BODY=grant_type=client_credentials&client_id=shop&client_secret=«x1y2z3»
FEED_URL=https://feed.example.com/v1?api_key=«x1y2z3»&page=1
MAPS_SCRIPT=https://maps.example.com/js?key=«x1y2z3»
OTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=shop,api-key=«x1y2z3»
DEFAULT_HEADER=Authorization: Bearer «abcdefgh12345678»
UPSTREAM=Bearer «abcdefgh12345678»
EXTRA_HEADERS=X-Api-Key: «x1y2z3»
REDIS_ARGS=--appendonly yes --requirepass «hunter22»
JAVA_OPTS=-Xmx512m -Djavax.net.ssl.trustStorePassword=«changeit»
MYSQL_ARGS=--host=db --password=«hunter22»
SERVICE_ACCOUNT={"type":"service_account","private_key":"«-----BEGIN PRIVATE KEY-----\nMIIEvQ\n»"}
APP_CONFIG={"db":{"host":"db","password":"«hunter22»"},"apiKey":"«x1y2z3»"}
KUBECONFIG_B64=«LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB»
ANON=«eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.dc_X5iR_VP_qT0zsiyj_I»
SLACK_WEBHOOK_URL=https://hooks.slack.com/«services/T0000/B0000/XXXXXXXX»
SLACK_URL=https://hooks.slack.com/«services/T0000/B0000/XXXXXXXX»
DISCORD=https://discord.com/api/webhooks/«1234567890/abcDEF»
TEAMS_WEBHOOK=https://shop.webhook.office.com/«webhookb2/0123»
ALERT_WEBHOOK=https://alerts.example.com/«in/f00ba7c0ffee»
PAYMENTS=«sk_live_4eC39HqLyjWDarjtT1zdp7dc»
LLM=«sk-ant-api03-abcdefghij0123456789»
OPENAI=«sk-proj-abcdefghij0123456789»
CI=«ghp_16C7e42F292c6912E7710c838347Ae178B4a»
REGISTRY=«npm_abcdefghijklmnopqrstuvwxyz0123456789»
MAIL=«SG.abcdefghijklmnop0123.ABCDEFGHIJKLMNOPQRSTUVWXYZ»
DEPLOY=«glpat-abcdefghij0123456789»
CLOUD=«AKIAIOSFODNN7EXAMPLE»
MAPS=«AIzaSyA-abcdefghijklmnopqrstuvwxyz01234»
CHAT=«xoxb-123456789012-abcdefghijkl»
RANDOM64=«b3Blbn5zc2gta2V5LXYxAAAAAEbm9uZQXq9»
RANDOMHEX=«9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08»
PRIVATE=«x1y2z3»
PROBE=curl -fsS -u ada:«hunter22» http://localhost:3000/health
WEAVIATE_API_KEY=«WVF5YThaHlkYwhGUSmCRgsX3tD5ngdN8pkih»
AZURE_BLOB_ACCOUNT_KEY=«blobkey»
TENCENT_COS_SECRET_ID=«your-secret-id»
CELERY_BROKER_URL=redis://:«hunter22»@redis:6379/1
SENTINELS=sentinel://:«hunter22»@localhost:26379/1;sentinel://:«hunter33»@localhost:26380/1
NEXT_PRIVATE_DATABASE_URL=postgres://documenso:«password»@127.0.0.1:54320/documenso
NEXT_PRIVATE_ENCRYPTION_SECONDARY_KEY=«DEADBEEF»
NEXT_PRIVATE_INNGEST_EVENT_KEY=«x1y2z3»
E2E_TEST_AUTHENTICATE_USER_PASSWORD=«test_Password123»
"""

HARMLESS = r"""
LOCAL_DOMAIN=example.com
RAILS_ENV=development
NODE_ENV=production
PORT=3000
URL=https://docs.example.com
APP_NAME=Laravel
APP_URL=http://localhost
APP_TIMEZONE=UTC
APP_FAKER_LOCALE=en_US
DB_CONNECTION=mysql
DB_HOST=/var/run/postgresql
DB_NAME=mastodon_production
DB_USER=mastodon
DB_USERNAME=root
DB_PORT=5432
DATABASE_CONNECTION_POOL_MAX=5
MYSQL_ALLOW_EMPTY_PASSWORD=yes
ALLOW_EMPTY_PASSWORD=1
REDIS_PASSWORD=null
MAIL_PASSWORD=null
MAIL_ENCRYPTION=null
REDIS_HOST=127.0.0.1
REDIS_URL=redis://redis:6379
SMTP_AUTH=plain
SMTP_AUTH_METHOD=plain
SMTP_LOGIN=ada@example.com
SMTP_SECURE=true
SMTP_FROM_ADDRESS=notifications@example.com
SMTP_OPENSSL_VERIFY_MODE=none
SESSION_DRIVER=cookie
SESSION_LIFETIME=120
SESSION_COOKIE_SECURE=true
SESSION_COOKIE_NAME=_shop_session
NEXTAUTH_URL=http://localhost:3000
NEXTAUTH_COOKIE_DOMAIN=.example.com
COOKIE_SAMESITE=lax
AUTH_TYPE=oidc
AUTH_DOMAIN=auth.example.com
AUTH0_DOMAIN=shop.eu.auth0.com
AUTH_TRUST_HOST=true
OIDC_AUTH_URI=https://id.example.com/authorize
OIDC_TOKEN_URI=https://id.example.com/token
OIDC_SCOPES=openid profile email
OIDC_CLIENT_ID=shop
GOOGLE_CLIENT_ID=1234567890-abcdefghijklmnop.apps.googleusercontent.com
JWT_ALGORITHM=HS256
JWT_EXPIRY=3600
JWT_TTL=60
ACCESS_TOKEN_EXPIRE_MINUTES=30
REFRESH_TOKEN_EXPIRES_IN=7d
ACCESS_TOKEN_LIFETIME=15m
TOKEN_ISSUER=https://id.example.com
PASSWORD_MIN_LENGTH=8
PASSWORD_RESET_TIMEOUT=259200
PASSWORD_HASH_ROUNDS=12
SMS_OTP_LENGTH=6
SMS_OTP_EXP=60
MFA_TOTP_ENROLL_ENABLED=true
FUNCTIONS_VERIFY_JWT=false
ENABLE_TOKEN_AUTH=1
DISABLE_AUTH=false
MAX_TOKENS=4096
OPENAI_MAX_TOKENS=4096
OPENAI_MODEL=gpt-4o-mini
TOKENS_PER_MINUTE=90000
TOKENIZERS_PARALLELISM=false
API_KEY_PREFIX=cal_
API_KEY_HEADER=X-Api-Key
KEYBOARD_LAYOUT=de
KEYCLOAK_URL=https://id.example.com
KEYSPACE=shop
MONKEY=see
TURKEY=lira
COMPASS=north
BYPASS=/healthz
PWD=/home/ada/shop
OLDPWD=/home/ada
AUTHOR=ada
AUTHORS=ada, bob
SSH_AUTH_SOCK=/tmp/ssh-XXXX/agent.1
XAUTHORITY=/home/ada/.Xauthority
GOOGLE_APPLICATION_CREDENTIALS=/etc/shop/google.json
SSL_KEY=/etc/ssl/private/shop.pem
SSH_KEY=~/.ssh/id_ed25519
SECRET_KEY_FILE=/run/secrets/outline_secret_key
POSTGRES_PASSWORD_FILE=/run/secrets/postgres
SECRET_NAME=prod/shop/db
VAPID_PUBLIC_KEY=BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM
STRIPE_PUBLISHABLE_KEY=pk_test_TYooMQauvdEDq54NiTphI7jx
RECAPTCHA_SITE_KEY=6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI
PUSHER_APP_CLUSTER=mt1
PUSHER_SCHEME=https
AWS_REGION=eu-central-1
AWS_S3_ACL=private
AWS_BUCKET=shop-assets-9f86d081
AWS_S3_UPLOAD_BUCKET_URL=http://s3:4569
FILE_STORAGE_UPLOAD_MAX_SIZE=262144000
WEB_CONCURRENCY=1
RATE_LIMITER_DURATION_WINDOW=60
LOG_LEVEL=info
LOG_FORMAT=%(asctime)s %(levelname)s %(message)s
DEBUG=http
LANG=C.UTF-8
LS_COLORS=rs=0:di=01;34:ln=01;36:mh=00:pi=40;33:so=01;35
PATH=/home/ada/.local/bin:/usr/local/bin:/usr/bin:/bin
PYTHONPATH=/srv/app:/srv/lib
GIT_COMMIT=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
SOURCE_COMMIT=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
HEROKU_RELEASE_VERSION=v42
HEROKU_APP_ID=0123abcd-4567-89ef-0123-456789abcdef
INVOCATION_ID=0123456789abcdef0123456789abcdef
PYTHON_SHA256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
POOLER_TENANT_ID=your-tenant-id
STRIPE_PRO_PLAN_PRODUCT_ID=prod_NWjs8kKbJWmuuc
NEXT_PUBLIC_APP_URL=http://localhost:3000
NEXT_PUBLIC_TEAM_IMPERSONATION=false
WEBHOOK_URL=https://n8n.example.com/
CHARGEBEE_WEBHOOK_USERNAME=chargebee
WEBHOOK_TUNNEL_URL=https://tunnel.example.com/webhooks/orders
WEBHOOK_ENDPOINT=http://localhost:3000/webhooks/orders
STUDIO_DEFAULT_ORGANIZATION=Default Organization
MAILER_URLPATHS_CONFIRMATION=/auth/v1/verify
DOCKER_SOCKET_LOCATION=/var/run/docker.sock
GITHUB_REPOSITORY=ada/shop
GIT_REMOTE=git@github.com:ada/shop.git
GIT_URL=ssh://git@github.com/ada/shop.git
DATABASE_PUBLIC_URL=postgres://db.example.com/shop?sslmode=require
CALLBACK=https://shop.example.com/cb?state=1&page=2
JAVA_TOOL_OPTIONS=-Xmx300m -Dfile.encoding=UTF-8
REDIS_ARGS=--appendonly yes --maxmemory 64mb
FEATURES={"search":true,"limit":10}
CORS_ORIGINS=["http://localhost:3000","https://shop.example.com"]
GREETING=the quick brown fox jumps over the lazy dog
RANDOM_SEED=42
SEED_DATA=true
LED_PIN=13
PATCH_LEVEL=3
PATTERN=^[a-z]+$
STOP_SIGNAL=SIGTERM
EMAIL_SIGNATURE=Kind regards, Ada
CONNECTION=Server=db;Database=shop;Encrypt=True
BUILD_NUMBER=20261130123456
CONTACT=mailto:ada@example.com
SERVER_WORKER_CLASS=gevent
REDIS_SSL_CERT_REQS=CERT_NONE
REDIS_SSL_KEYFILE=/etc/ssl/redis.key
CLICKZETTA_VOLUME_TABLE_PREFIX=dataset_
ALIYUN_OSS_AUTH_VERSION=v4
WEAVIATE_TOKENIZATION=word
OCEANBASE_VECTOR_USER=root@test
AZURE_BLOB_ACCOUNT_URL=https://shop.blob.core.windows.net
NEXT_PRIVATE_INTERNAL_WEBAPP_URL=http://localhost:3000
NEXT_PRIVATE_OIDC_PROMPT=login
NEXT_PRIVATE_SIGNING_TRANSPORT=local
NEXT_PRIVATE_SMTP_HOST=127.0.0.1
NEXT_PRIVATE_SMTP_APIKEY_USER=documenso
E2E_TEST_AUTHENTICATE_USERNAME=Test User
COOKIE_DOMAIN=example.com
POSTGRES_SHARED_BUFFERS=128MB
"""
